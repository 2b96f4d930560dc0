// npm run mutate -- [--sample N] [--seed S] [--again] PATHS: makes small mistakes in sources, one at a time, and says which of
// them no test notices. Works on copies of the tree; what is known of a mutant is kept in build/mutate/known.json and not
// tried again, unless --again asks for those that survived.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mutantsOf, sample } from './mutants.mjs';
import { NativeTests } from './native.mjs';
import { inParallel } from './run.mjs';
import { ScriptTests } from './scripts.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const WORK = join(ROOT, 'build', 'mutate');
const STORE = join(WORK, 'known.json');
const EQUIVALENT = join(ROOT, 'scripts', 'mutate', 'equivalent.json');
const PARALLEL = 2;
const COPIED = [
  ...['native', 'guest-driver', 'backend', 'pci', 'test', 'demo', 'examples', 'vm-images', 'docs'],
  ...['package.json', 'tsconfig.json', 'vitest.config.ts', 'README.md'],
];

/** A copy of what the tests need; the addon's build comes along, those of the C++ tests do not. */
function makeTree(number) {
  const tree = join(WORK, `tree-${number}`);
  rmSync(tree, { recursive: true, force: true });
  const filter = (path) => !/(test|fuzz|model)\/build$/.test(path);
  for (const name of COPIED)
    cpSync(join(ROOT, name), join(tree, name), { recursive: true, preserveTimestamps: true, filter });
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}

const keyOf = ({ file, before, after }) => `${file}\n${before.trim()}\n${after.trim()}`;
const readJson = (path, otherwise) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : otherwise);
const isNative = ({ file }) => file.startsWith('native/src/');

function filesOf(path) {
  if (!statSync(join(ROOT, path)).isDirectory()) return /\.(cc|h|ts)$/.test(path) ? [path] : [];
  return readdirSync(join(ROOT, path)).flatMap((name) => filesOf(join(path, name)));
}

/** The mutants of each path, or as many of each as were asked for. */
function choose(paths, count, seed) {
  return paths.map((path) => {
    const all = filesOf(path).flatMap((file) => mutantsOf(file, readFileSync(join(ROOT, file), 'utf8')));
    const mutants = count === undefined ? all : sample(all, count, seed);
    console.log(`${path}: ${mutants.length} of ${all.length} mutants`);
    return { path, mutants };
  });
}

function print(mutant, what) {
  const { file, line, before, after } = mutant;
  console.log(`${what}: ${file}:${line}\n  - ${before.trim()}\n  + ${after.trim()}`);
}

function report(chosen, known) {
  const all = { killed: 0, survived: 0, equivalent: 0 };
  const line = (path, { killed, survived, equivalent }) => {
    const share = ((100 * killed) / (killed + survived)).toFixed(1);
    console.log(
      `${path.padEnd(24)} ${killed} of ${killed + survived} noticed, ${share} %; equivalent ${equivalent}`,
    );
  };
  for (const { path, mutants } of chosen) {
    const row = { killed: 0, survived: 0, equivalent: 0, invalid: 0 };
    for (const mutant of mutants) row[known[keyOf(mutant)].split(' ')[0]]++;
    for (const key of Object.keys(all)) all[key] += row[key];
    line(path, row);
  }
  line('all', all);
}

/** How many mutants of each file each test has noticed so far. */
function killsOf(known) {
  const kills = {};
  for (const [key, result] of Object.entries(known)) {
    const test = /^killed by (\S+)$/.exec(result)?.[1];
    const file = key.split('\n')[0];
    if (test === undefined) continue;
    kills[file] ??= {};
    kills[file][test] = (kills[file][test] ?? 0) + 1;
  }
  return kills;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: 'string' },
      seed: { type: 'string', default: '1' },
      again: { type: 'boolean', default: false }, // those that have survived before
    },
  });
  const count = values.sample === undefined ? undefined : Number(values.sample);
  const chosen = choose(positionals, count, Number(values.seed));
  mkdirSync(WORK, { recursive: true });
  const known = readJson(STORE, {});
  const equivalent = new Set(readJson(EQUIVALENT, []).map(keyOf));
  const mutants = chosen.flatMap((part) => part.mutants);
  for (const mutant of mutants) if (equivalent.has(keyOf(mutant))) known[keyOf(mutant)] = 'equivalent';
  const isLeft = (result) => result === undefined || (values.again && result === 'survived');
  const left = mutants.filter((mutant) => isLeft(known[keyOf(mutant)]));
  const trees = Array.from({ length: PARALLEL }, (_, number) => makeTree(number));
  const native = new NativeTests(trees[0], join(WORK, 'native'), PARALLEL);
  const scripts = new ScriptTests(trees, join(WORK, 'limits.json'));
  if (left.some(isNative)) await native.prepare();
  await scripts.prepare([...new Set(left.filter((m) => !isNative(m)).map((m) => m.file))]);
  await inParallel(PARALLEL, left, async (mutant, number) => {
    const result = isNative(mutant)
      ? await native.fate(mutant, number, killsOf(known)[mutant.file] ?? {})
      : await scripts.fate(mutant, number);
    known[keyOf(mutant)] = result;
    writeFileSync(STORE, JSON.stringify(known, null, 1));
    if (result === 'survived') print(mutant, result);
  });
  report(chosen, known);
}

await main();
