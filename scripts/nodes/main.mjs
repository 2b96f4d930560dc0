// npm run test-nodes [-- --fetch | --short | vitest's arguments]: the unit and model tests on the other releases of Node that are
// supported: those of package.json beside this file, which npm has as packages. The addon is built once: its interface to
// Node (NAPI 9) is the same in all of them. Unless asked for, tests of the tests' own tools, and those in which kernels
// or native threads exchange packets for long, are left out: Node only starts what these are about. --short has what
// stands between Node and the rest: the addons, sockets, processes, signals and files.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..', '..');
const CACHE = process.env.PTNET_CACHE ?? join(homedir(), '.cache', 'ptnetmap');
const FILES = ['package.json', 'package-lock.json'];
const LEFT_OUT = [
  'test/unit/harness/**',
  ...['kernel-guests', 'netmap', 'tap', 'overlay-mtu'].map((name) => `test/model/${name}.test.ts`),
  ...['measure', 'measure-applications', 'check-live', 'vnet', 'rate', 'applications/killed'].map(
    (name) => `test/model/${name}.test.ts`,
  ),
];
const SHORT = [
  ...['native', 'guest-driver/addon', 'backend/cli/process', 'backend/sockets', 'backend/programs'].map(
    (name) => `test/unit/${name}`,
  ),
  'test/protocol',
  ...['traffic', 'bad-input', 'changes', 'control', 'programs', 'application', 'stopping', 'reload'].map(
    (name) => `test/model/${name}`,
  ),
];
/** A registry that is slow or away must not hold a run up for ever: for all releases together, in ms. */
const FETCH_MS_MAX = 300_000;

/** The folder of node_modules with the releases, fetched when they are not there yet. */
function fetchReleases() {
  const lock = readFileSync(join(HERE, 'package-lock.json'));
  const folder = join(CACHE, `nodes-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = mkdtempSync(`${folder}.`);
  try {
    for (const file of FILES) copyFileSync(join(HERE, file), join(unfinished, file));
    const args = ['ci', '--prefix', unfinished, '--no-fund', '--no-audit', '--loglevel=error'];
    const result = spawnSync('npm', args, { stdio: [0, 2, 2], timeout: FETCH_MS_MAX });
    if (result.status !== 0) {
      const cause =
        result.error?.code === 'ETIMEDOUT' ? `not done after ${FETCH_MS_MAX / 1000} s` : 'npm ci failed';
      throw new Error(`the releases of Node in scripts/nodes/package.json could not be fetched: ${cause}`);
    }
    try {
      renameSync(unfinished, folder);
    } catch (error) {
      if (!existsSync(folder)) throw error; // else another run was faster, and has fetched the same
    }
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

/** Children that are started as 'node' are of this release too. */
function runTests(bin, args) {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const node = join(bin, 'node');
  const leftOut = LEFT_OUT.flatMap((pattern) => ['--exclude', pattern]);
  const [first] = args;
  const tests =
    first === undefined
      ? ['test/unit', 'test/model', ...leftOut]
      : first === '--short'
        ? [...SHORT, ...leftOut]
        : args;
  for (const each of [['--version'], [join('node_modules', 'vitest', 'vitest.mjs'), 'run', ...tests]]) {
    const { status, error } = spawnSync(node, each, { cwd: ROOT, stdio: 'inherit', env });
    if (error !== undefined) throw error;
    if (status !== 0) process.exitCode = status ?? 1;
  }
}

try {
  const folder = fetchReleases();
  const args = process.argv.slice(2);
  if (args[0] !== '--fetch') {
    const { dependencies } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies)) runTests(join(folder, 'node_modules', name, 'bin'), args);
  }
} catch (error) {
  console.error(`test-nodes: ${error.message}`);
  process.exitCode = 1;
}
