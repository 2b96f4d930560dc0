// npm run mutate -- [--sample N] [--seed S] FILES: makes small mistakes in sources, one at a time, and says which of them no
// test notices. Works on copies of the tree; what is known of a mutant is kept in build/mutate.json and not tried again.
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mutantsOf, sample, withMutant } from './mutants.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const STORE = join(ROOT, 'build', 'mutate.json');
const EQUIVALENT = join(ROOT, 'scripts', 'mutate', 'equivalent.json');
const PARALLEL = 2;

/** C++ tests by what they are likely to notice first; the rest follows. Those that take minutes are left out. */
const NATIVE_TESTS = {
  ring: ['pipe_test', 'null_port_test', 'vale_test', 'vale_run_test', 'engine_test'],
  forward: [
    'null_port_test',
    'pipe_test',
    'vale_test',
    'vale_run_test',
    'budget_test',
    'forwarding_table_test',
    'worker_owner_test',
    'engine_test',
  ],
  datapath: [
    'budget_test',
    'watch_test',
    'worker_owner_test',
    'engine_test',
    'notify_test',
    'kick_test',
    'kick_service_test',
    'spin_time_test',
    'missed_interrupt_test',
    'stuck_interrupt_test',
    'event_signaller_test',
    'pipe_test',
  ],
};
/** Folders of vitest that reach a folder of the back end. */
const SCRIPT_TESTS = {
  'backend/vfio-user': ['test/unit/backend/vfio-user', 'test/protocol', 'test/property/backend'],
  'backend/datapath': [
    'test/unit/backend/datapath',
    'test/model/bad-rings.test.ts',
    'test/model/traffic.test.ts',
  ],
  'backend/ports': ['test/unit/backend/ports', 'test/unit/backend/config', 'test/model/traffic.test.ts'],
};

/** Runs a program to its end or to the limit; whether it succeeded. */
function run(program, args, cwd, limitMs) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, CI: 'true' },
    });
    const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), limitMs);
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve(status === 0);
    });
  });
}

/** A copy of what mutants of C++ or TypeScript need; it stays from run to run, so that little has to be built. */
function makeCopy(number) {
  const copy = join(ROOT, 'build', `mutate-${number}`);
  for (const name of [
    'native',
    'guest-driver',
    'backend',
    'pci',
    'test',
    'demo',
    'examples',
    'vm-images',
    'package.json',
    'tsconfig.json',
    'vitest.config.ts',
    'README.md',
    'docs',
  ]) {
    const from = join(ROOT, name);
    if (!existsSync(from)) continue;
    // Builds of tests are the copy's own; the addon is not.
    const wanted = (path) => !/(test|fuzz|model)\/build$/.test(path);
    cpSync(from, join(copy, name), {
      recursive: true,
      preserveTimestamps: true,
      force: true,
      filter: wanted,
    });
  }
  if (!existsSync(join(copy, 'node_modules')))
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

const nativeFolder = (file) => /^native\/src\/(\w+)\//.exec(file)?.[1];

/** The tests of a file: name, and how to build and run each. */
function testsOf(file) {
  const folder = nativeFolder(file);
  if (folder !== undefined) {
    const stem = basename(file).replace(/\.\w+$/, '');
    const first = readdirSync(join(ROOT, 'native/test')).filter(
      (n) => n === `${stem}_test.cc` || n === `${stem.replace(/_.*/, '')}_test.cc`,
    );
    const names = new Set([
      ...first.map((n) => n.replace('.cc', '')),
      ...(NATIVE_TESTS[folder] ?? NATIVE_TESTS.forward),
    ]);
    return [...names]
      .filter((n) => existsSync(join(ROOT, 'native/test', `${n}.cc`)))
      .map((name) => ({ name }));
  }
  const key = Object.keys(SCRIPT_TESTS).find((k) => file.startsWith(`${k}/`));
  if (key === undefined)
    throw new Error(`${file}: no tests are known for it: add its folder to scripts/mutate/main.mjs`);
  return SCRIPT_TESTS[key].filter((path) => existsSync(join(ROOT, path))).map((path) => ({ path }));
}

/** False where the mutant does not compile; null when the test could not be run otherwise. */
async function passes(test, copy, limitMs) {
  if (test.path !== undefined) return run('npx', ['vitest', 'run', '--bail=1', test.path], copy, limitMs);
  return run(join(copy, 'native/test/build/plain', test.name), [], join(copy, 'native/test'), limitMs);
}

function build(test, copy) {
  if (test.path !== undefined) return true;
  const flags = ['FLAGS_plain=-O1 -g0'];
  return run('make', ['-s', '-C', 'native/test', ...flags, `build/plain/${test.name}`], copy, 600_000);
}

/** How long each test may take: well over what it takes without a mutant. */
async function limits(tests, copy) {
  for (const test of tests) {
    if (!(await build(test, copy))) throw new Error(`${test.name}: does not build without a mutant`);
    const start = Date.now();
    if (!(await passes(test, copy, 600_000)))
      throw new Error(`${test.name ?? test.path}: fails without a mutant`);
    test.limitMs = 5 * (Date.now() - start) + 5000;
  }
  return tests;
}

async function fate(mutant, copy, tests) {
  const path = join(copy, mutant.file);
  const original = readFileSync(path, 'utf8');
  writeFileSync(path, withMutant(original, mutant));
  try {
    for (const test of tests) {
      if (!(await build(test, copy)))
        return test === tests[0] ? 'invalid' : `killed by the build of ${test.name}`;
      if (!(await passes(test, copy, test.limitMs))) return `killed by ${test.name ?? test.path}`;
    }
    return 'survived';
  } finally {
    writeFileSync(path, original);
  }
}

const keyOf = ({ file, before, after }) => `${file}\n${before.trim()}\n${after.trim()}`;
const readJson = (path, otherwise) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : otherwise);

function filesOf(args) {
  return args.flatMap((arg) =>
    statSync(join(ROOT, arg)).isDirectory()
      ? filesOf(readdirSync(join(ROOT, arg)).map((name) => join(arg, name)))
      : /\.(cc|h|ts)$/.test(arg)
        ? [arg]
        : [],
  );
}

function table(mutants, store) {
  const rows = new Map();
  for (const mutant of mutants) {
    const result = store[keyOf(mutant)];
    if (result === undefined || result === 'invalid') continue;
    const row = rows.get(mutant.file) ?? { killed: 0, survived: 0, equivalent: 0 };
    row[result.split(' ')[0]]++;
    rows.set(mutant.file, row);
  }
  let killed = 0;
  let all = 0;
  for (const [file, row] of rows) {
    killed += row.killed;
    all += row.killed + row.survived;
    console.log(
      `${file.padEnd(44)} killed ${row.killed}, survived ${row.survived}, equivalent ${row.equivalent}`,
    );
  }
  console.log(
    `${killed} of ${all} that are not equivalent were killed: ${((100 * killed) / all).toFixed(1)} %`,
  );
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { sample: { type: 'string' }, seed: { type: 'string', default: '1' } },
  });
  const all = filesOf(positionals).flatMap((file) => mutantsOf(file, readFileSync(join(ROOT, file), 'utf8')));
  const mutants = values.sample === undefined ? all : sample(all, Number(values.sample), Number(values.seed));
  console.log(`${mutants.length} of ${all.length} mutants, seed ${values.seed}`);
  mkdirSync(dirname(STORE), { recursive: true });
  const store = readJson(STORE, {});
  for (const { file, before, after } of readJson(EQUIVALENT, []))
    store[keyOf({ file, before, after })] = 'equivalent';
  const left = mutants.filter((mutant) => store[keyOf(mutant)] === undefined);
  const tests = new Map();
  const copies = Array.from({ length: PARALLEL }, (_, i) => makeCopy(i));
  for (const { file } of left) if (!tests.has(file)) tests.set(file, await limits(testsOf(file), copies[0]));
  const worker = async (copy) => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const result = await fate(mutant, copy, tests.get(mutant.file));
      store[keyOf(mutant)] = result;
      writeFileSync(STORE, JSON.stringify(store, null, 1));
      if (result === 'survived')
        console.log(
          `survived: ${mutant.file}:${mutant.line}\n  - ${mutant.before.trim()}\n  + ${mutant.after.trim()}`,
        );
    }
  };
  await Promise.all(copies.map(worker));
  table(mutants, store);
}

await main();
