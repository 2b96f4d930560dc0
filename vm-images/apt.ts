/** Downloads Debian packages with apt, from folders of our own: the machine's package state is neither read nor changed. */

import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { findDebianMirror, readAptSources } from './apt-sources.ts';
import type { Artifact } from './artifacts.ts';
import { ArtifactError } from './errors.ts';
import { progress } from './progress.ts';

/** The same keys under the names of Debian 12 and of Debian 13. */
const KEYRINGS = ['gpg', 'pgp'].map((suffix) => `/usr/share/keyrings/debian-archive-keyring.${suffix}`);
const PROGRESS_INTERVAL_MS = 5000;
const DOWNLOAD_TIMEOUT_S = 30;

/**
 * Read after the machine's own configuration (proxies stay in force); the hooks that it may have would act on
 * the machine's folders, not on ours. An empty status file makes apt fetch every dependency.
 */
const configuration = (root: string) => `
Dir::State "${root}/state";
Dir::State::status "${root}/status";
Dir::Cache "${root}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Etc::sourcelist "${root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "${DOWNLOAD_TIMEOUT_S}";
Acquire::https::Timeout "${DOWNLOAD_TIMEOUT_S}";
Debug::NoLocking "true";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
`;

async function writeConfiguration(root: string, suite: string): Promise<void> {
  const mirror = process.env.PTNET_DEBIAN_MIRROR ?? findDebianMirror(await readAptSources());
  if (mirror === undefined) {
    throw new ArtifactError(
      '/etc/apt: no mirror of the Debian archive is configured: add one, or name one in PTNET_DEBIAN_MIRROR',
    );
  }
  const keyring = KEYRINGS.find((path) => existsSync(path));
  if (keyring === undefined) {
    throw new ArtifactError(`${KEYRINGS[0]}: missing: install the package debian-archive-keyring`);
  }
  // backports depend on the suite that they extend
  const suites = new Set([suite, suite.replace(/-backports$/, '')]);
  await writeFile(
    join(root, 'sources.list'),
    [...suites].map((name) => `deb [signed-by=${keyring}] ${mirror} ${name} main\n`).join(''),
  );
  await writeFile(join(root, 'apt.conf'), configuration(root));
  await writeFile(join(root, 'status'), '');
}

/** Runs one of apt's programs on our folders and returns what it printed. */
async function apt(root: string, program: string, args: string[]): Promise<string> {
  const result = await execa(program, ['-c', join(root, 'apt.conf'), ...args], {
    cwd: join(root, 'debs'),
    env: { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    stdin: 'ignore',
    reject: false,
  });
  if (!result.failed) return result.stdout;
  const reason = result.stderr.split('\n').find((line) => line.startsWith('E:'));
  throw new ArtifactError(`${program} ${args.join(' ')}: ${reason ?? result.shortMessage}`, {
    cause: result,
  });
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    bytes += (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}

/** Says every few seconds how much has arrived, while `work` runs. */
async function watched<T>(what: string, folder: string, work: Promise<T>): Promise<T> {
  const timer = setInterval(async () => {
    progress(`${what}: ${Math.round((await sizeOf(folder)) / 1e6)} MB so far`);
  }, PROGRESS_INTERVAL_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/** The package that an empty one stands for. */
async function meant(root: string, release: readonly string[], meta: string): Promise<string> {
  const listing = await apt(root, 'apt-cache', [...release, 'depends', '--important', meta]);
  const wanted = /^\s+(?:Pre)?Depends: (\S+)$/m.exec(listing)?.[1];
  if (wanted === undefined)
    throw new ArtifactError(`${meta}: names no dependency in ${release.at(-1)}: expected a meta package`);
  return wanted;
}

async function downloadOnly(root: string, { suite, packages, dependencies }: Artifact): Promise<string> {
  const release = ['-t', suite];
  const what = packages[0]!;
  if (dependencies === 'all') {
    const archives = join(root, 'cache', 'archives');
    const install = ['-qq', '-y', '--download-only', ...release, 'install', ...packages];
    await watched(what, archives, apt(root, 'apt-get', install));
    return archives;
  }
  const wanted = await Promise.all(packages.map((name) => meant(root, release, name)));
  const debs = join(root, 'debs');
  await watched(what, debs, apt(root, 'apt-get', ['-qq', ...release, 'download', ...wanted]));
  return debs;
}

/** Downloads the packages of an artifact into a folder below `root` and returns the paths of the .deb files. */
export async function downloadPackages(root: string, artifact: Artifact): Promise<string[]> {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'debs']) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await writeConfiguration(root, artifact.suite);
  await apt(root, 'apt-get', ['-qq', 'update']);
  const folder = await downloadOnly(root, artifact);
  const debs = (await readdir(folder))
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(folder, name));
  if (debs.length === 0) throw new ArtifactError(`${artifact.packages.join(', ')}: apt downloaded nothing`);
  // The lists are large and of no use once the packages are here.
  await rm(join(root, 'state'), { recursive: true });
  return debs;
}
