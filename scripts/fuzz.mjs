// npm run fuzz -- [frames|kick|lookup|rings|vnet|scribble|scribble-tsan|session|rest] [--seconds N]: runs the fuzzers, each
// for its share of the time; rest only when it is named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDER = join(ROOT, 'native', 'fuzz');
/** Files whose properties are surfaces of a session, and how many surfaces they have. */
const PROPERTIES = [
  'test/property/backend/applications',
  'test/property/backend/vfio-user',
  'test/property/pci',
];
const SURFACES = 14;

function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: FOLDER, stdio: 'inherit', ...options });
  if (error !== undefined) console.error(`fuzz: ${program}: ${error.message}`);
  if (status !== 0) process.exit(1);
}

/** libFuzzer; what it finds goes into the first folder, the small corpus in the tree is only read. */
function explore(name, seconds) {
  mkdirSync(join(FOLDER, 'build', 'corpus', name), { recursive: true });
  // Entropic scheduling would take more time than the inputs, and so would a look for leaks after each: what is kept
  // from one to the next, or freed by another thread, is none. There is one at the end.
  const options = ['-max_len=4096', '-entropic=0', '-detect_leaks=0', '-verbosity=0', '-print_final_stats=1'];
  const seed = process.env.PTNET_TEST_SEED;
  run(`build/${name}`, [
    ...(seed === undefined ? [] : [`-seed=${seed}`]),
    `-max_total_time=${seconds}`,
    ...options,
    '-artifact_prefix=build/',
    `build/corpus/${name}`,
    `corpus/${name}`,
  ]);
}

function vitest(options, seconds, env) {
  const program = join(ROOT, 'node_modules', '.bin', 'vitest');
  const timeout = `--testTimeout=${(Number(seconds) + 300) * 1000}`;
  const whole = { ...process.env, PTNET_FUZZ_SECONDS: String(seconds), ...env };
  run(program, ['run', timeout, ...options], { cwd: ROOT, env: whole });
}

/** fast-check, for each surface of a session its share of the time. */
function explorePeers(seconds) {
  const figures = join(FOLDER, 'build', 'session-figures');
  mkdirSync(dirname(figures), { recursive: true });
  rmSync(figures, { force: true });
  const share = Math.max(1, Math.round(seconds / SURFACES));
  vitest(['--reporter=dot', ...PROPERTIES], share, { PTNET_FUZZ_FIGURES: figures });
  const lines = readFileSync(figures, 'utf8').trimEnd().split('\n');
  for (const line of lines) console.log(`session: ${line}`);
  if (lines.length === SURFACES) return;
  console.error(`fuzz: session: ${lines.length} surfaces instead of ${SURFACES}`);
  process.exit(1);
}

const TARGETS = {
  frames: explore,
  kick: explore,
  lookup: explore,
  rings: explore,
  vnet: explore,
  scribble: (name, seconds) => run(`build/${name}`, [seconds]),
  // Without address space randomisation: newer kernels have more of it than ThreadSanitizer knows.
  'scribble-tsan': (name, seconds) => run('setarch', ['-R', `build/${name}`, seconds]),
  session: (_, seconds) => explorePeers(seconds),
  rest: (_, seconds) => vitest(['test/model/rest.test.ts'], seconds),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' } },
});
const names = Object.keys(TARGETS);
const unknown = positionals.find((name) => !names.includes(name));
if (unknown !== undefined || !/^[1-9]\d*$/.test(values.seconds)) {
  console.error(`usage: npm run fuzz -- [${names.join('|')}] [--seconds N]`);
  process.exit(2);
}
const targets = positionals.length > 0 ? positionals : names.filter((name) => name !== 'rest');
const seconds = Math.ceil(Number(values.seconds) / targets.length);
const native = targets.filter((name) => name !== 'session' && name !== 'rest');
if (native.length > 0) run('make', ['-s', '-j2', ...native.map((name) => `build/${name}`)]);
for (const name of targets) {
  console.log(`fuzz: ${name}, ${seconds} s`);
  TARGETS[name](name, String(seconds));
}
