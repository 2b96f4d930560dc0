// The package as it is installed on a Debian where nobody has worked before: 'npm install --global' compiles it there, without a network.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOTS } from '../../vm-images/artifacts.ts';
import { DebianRoot, type Suite, whyNoDebianRoot } from '../harness/debian-root.ts';
import { projectRoot } from '../harness/paths.ts';

const INSTALL_MS = 600_000;
const why = whyNoDebianRoot();
const ALL = Object.keys(ROOTS) as Suite[];
const wanted = process.env.PTNET_ROOTS ?? 'trixie';
const suites = ALL.filter((suite) => wanted === 'all' || wanted === suite);
if (suites.length === 0) throw new Error(`PTNET_ROOTS=${wanted}: all, ${ALL.join(' or ')} would be right`);

type Finding = Record<'id' | 'status', string>;

let folder: string;
let cache: string;
let registry: string;
let tarball: string;

/** What Debian's users have not set: where packages come from. Every one is in the cache. */
const fromCache = () => ({
  npm_config_registry: registry,
  npm_config_cache: '/root/cache',
  npm_config_offline: 'true',
});

describe.skipIf(why)(`on a fresh Debian${why ? ` (not run: ${why})` : ''}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ptnet-debian-'));
    const npm = async (...args: string[]) => (await execa('npm', args, { cwd: projectRoot() })).stdout;
    cache = await npm('config', 'get', 'cache');
    registry = await npm('config', 'get', 'registry');
    const packed = await npm('pack', '--ignore-scripts', '--json', '--pack-destination', folder);
    tarball = (JSON.parse(packed) as [{ filename: string }])[0].filename;
    // Somewhere else and without compiling it: then npm has everything in its cache.
    const install = ['install', '--global', '--omit=dev', '--ignore-scripts', '--prefer-offline'];
    await npm(...install, '--prefix', join(folder, 'prefix'), join(folder, tarball));
    rmSync(join(folder, 'prefix'), { recursive: true });
  }, INSTALL_MS);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe.each(suites)('%s', (suite) => {
    let debian: DebianRoot;

    beforeAll(async () => {
      debian = await DebianRoot.start(suite, cache, folder);
      await debian.run(`npm install --global --omit=dev /work/${tarball}`, fromCache());
    }, INSTALL_MS);
    afterAll(() => debian?.close());

    test('it is that Debian, with nothing but what the README asks for', async () => {
      const { VERSION_CODENAME } = Object.fromEntries(
        (await debian.run('cat /etc/os-release')).split('\n').map((line) => line.split('=')),
      );
      expect(VERSION_CODENAME).toBe(suite);
      expect(await debian.run('grep -c : /proc/net/dev')).toBe('1');
    });

    test('a program on the PATH, with its version and its manual page', async () => {
      const { version } = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8'));
      expect(await debian.run('ptnet --version')).toBe(version);
      const page = await debian.run('man -w ptnet');
      expect(await debian.run('readlink -f /usr/local/share/man/man1/ptnet.1')).toBe(page);
    });

    test('a file is written, and lacks nothing but a QEMU', async () => {
      const said = await debian.run('cd /tmp; ptnet init && ! ptnet check ptnet.yaml --json');
      const { findings } = JSON.parse(said.split('\n').at(-1)!) as { findings: Finding[] };
      expect(findings.length).toBeGreaterThan(0);
      expect(findings.filter(({ status }) => status === 'fail').map(({ id }) => id)).toEqual(['qemu-there']);
    });

    test('a host serves it, and is measured', async () => {
      const said = await debian.run(`set -e
cd /root
ptnet init
ptnet up ptnet.yaml --run-dir /run/ptnetmap &
host=$!
trap 'kill $host' EXIT
until ptnet ls --json > vms.json; do kill -0 $host; sleep 0.1; done
ptnet measure ptnet.yaml 'vm1/net0 -> vm2/net0' --run-dir /run/ptnetmap --json > measured.json
kill $host
trap - EXIT
wait $host
[ ! -e /run/ptnetmap ]
cat vms.json measured.json`);
      const [vms, measured] = said
        .trim()
        .split('\n')
        .slice(-2)
        .map((line) => JSON.parse(line));
      expect(vms.map(({ name }: { name: string }) => name)).toEqual(['vm1', 'vm2']);
      expect(measured.host).toBe('running');
      expect(measured.rates).toMatchObject([{ path: 'vm1/net0 -> vm2/net0', corrupt: 0, foreign: 0 }]);
      expect(measured.rates[0].received).toBeGreaterThan(0);
    });
  });
});
