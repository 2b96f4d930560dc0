// Mutants of C++: which tests reach a line, and what they say to a mutant of it. Built apart from `make -C native/test`, for
// speed: without optimisation, with headers of the library compiled before, and what includes a mutated header as one.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { mutantsOf, withMutant } from './mutants.mjs';
import { inParallel, run } from './run.mjs';
import { HEADER, schemaOf } from './schemata.mjs';

const FLAGS = ['-O0', '-std=gnu++20', '-fno-exceptions', '-fno-rtti', '-w'];
const COVERAGE = ['--coverage', '-fprofile-update=atomic'];
/** `limits` measures machines: nothing of the data path is in it. The others load shared objects that make builds for them. */
const FOLDERS = ['os', 'memory', 'ring', 'datapath', 'forward', 'stats'];
const LEFT_OUT = ['limits_test', 'lookup_plugin_test', 'lookup_swap_test', 'firewall_test'];

const idOf = ({ file, line, after }) => `${file}:${line}:${after}`;
const hash = (...texts) => createHash('sha256').update(texts.join('\0')).digest('hex');

export class NativeTests {
  /** `tree`: a copy of the sources that nothing changes meanwhile. `work`: a folder for what is built. */
  constructor(tree, work, parallel) {
    this.tree = tree;
    this.src = join(tree, 'native', 'src');
    this.test = join(tree, 'native', 'test');
    this.work = work;
    this.parallel = parallel;
    this.sources = FOLDERS.flatMap((folder) =>
      readdirSync(join(this.src, folder))
        .filter((name) => name.endsWith('.cc'))
        .map((name) => `${folder}/${name}`),
    );
    this.tests = readdirSync(this.test)
      .filter((name) => name.endsWith('_test.cc'))
      .map((name) => name.replace('.cc', ''))
      .filter((name) => !LEFT_OUT.includes(name));
    this.headers = hash(
      ...[
        ...FOLDERS.map((folder) => join(this.src, folder)),
        this.test,
        join(tree, 'guest-driver/core'),
      ].flatMap((folder) =>
        readdirSync(folder)
          .filter((name) => name.endsWith('.h'))
          .map((name) => readFileSync(join(folder, name))),
      ),
    );
  }

  /** Whether the source was compiled; `first`: a folder whose headers come before the tree's. */
  compile(source, object, { flags = [], first, errors } = {}) {
    mkdirSync(dirname(object), { recursive: true });
    const include = [
      ...(first === undefined ? [] : [`-I${first}`]),
      `-I${this.src}`,
      `-I${this.tree}`,
      `-I${this.test}`,
    ];
    const before = flags.length > 0 ? [] : ['-include', join(this.work, 'library.h')];
    const args = [...FLAGS, ...flags, ...before, ...include, '-c', source, '-o', object];
    return run('g++', args, this.work, { errors });
  }

  link(objects, program, flags = []) {
    return run('g++', ['-fuse-ld=gold', ...flags, ...objects, '-o', program, '-pthread'], this.work);
  }

  /** Does `make` unless what it makes was made of the same. */
  async unlessSame(product, key, make) {
    const stamp = `${product}.key`;
    if (existsSync(product) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
    rmSync(stamp, { force: true });
    if (!(await make())) throw new Error(`${product}: cannot be made without a mutant`);
    writeFileSync(stamp, key);
  }

  object(name) {
    return join(this.work, 'base', `${name.replace('.cc', '')}.o`);
  }
  sourceOf(name) {
    return this.tests.includes(name) ? join(this.test, `${name}.cc`) : join(this.src, name);
  }

  /** Builds everything without a mutant and finds out which test reaches which line, in how many ms. */
  async prepare() {
    mkdirSync(this.work, { recursive: true });
    await this.prepareLibrary();
    await inParallel(this.parallel, [...this.sources, ...this.tests], async (name) => {
      const source = this.sourceOf(name);
      const key = hash(this.headers, readFileSync(source));
      await this.unlessSame(this.object(name), key, () => this.compile(source, this.object(name)));
    });
    await this.prepareCoverage();
    await this.prepareSchemata();
  }

  /** Writes all sources with all their mutants, and builds the tests of them. */
  async prepareSchemata() {
    this.schemata = new Map();
    const dir = join(this.work, 'schemata', 'src');
    const lines = new Map();
    // Those that a compilation has taken out, also an earlier one.
    const out = join(this.work, 'schemata', 'alone.json');
    this.alone = new Set(existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')) : []);
    let number = 0;
    for (const name of FOLDERS.flatMap((folder) => this.filesIn(folder))) {
      const text = readFileSync(join(this.src, name), 'utf8');
      const mutants = mutantsOf(`native/src/${name}`, text).map((mutant) => ({
        ...mutant,
        number: ++number,
      }));
      lines.set(name, { original: text.split('\n'), now: text.split('\n'), mutants });
      for (const line of new Set(mutants.map((mutant) => mutant.line))) {
        const here = mutants.filter((mutant) => mutant.line === line && !this.alone.has(idOf(mutant)));
        const found = schemaOf(text.split('\n')[line - 1], here);
        lines.get(name).now[line - 1] = found.text;
        for (const each of found.numbers) this.schemata.set(each, name);
      }
      this.writeSchema(dir, name, lines.get(name).now);
    }
    this.numbers = new Map();
    for (const [, { mutants }] of lines)
      for (const each of mutants) this.numbers.set(idOf(each), each.number);
    const ids = [...lines.values()].flatMap(({ mutants }) => mutants.map(idOf));
    const key = hash(this.headers, ...ids, ...this.sources.map((name) => readFileSync(this.sourceOf(name))));
    await inParallel(this.parallel, [...this.sources, ...this.tests], async (name) => {
      const isTest = this.tests.includes(name);
      const source = isTest ? this.sourceOf(name) : join(dir, name);
      const object = this.schemaObject(name);
      const own = isTest ? hash(key, readFileSync(source)) : key;
      await this.unlessSame(object, own, () => this.compileSchema(source, object, dir, lines));
    });
    await inParallel(this.parallel, this.tests, async (test) => {
      const objects = [test, ...this.sources].map((name) => this.schemaObject(name));
      const own = hash(...objects.map((object) => readFileSync(object)));
      await this.unlessSame(this.schemaProgram(test), own, () =>
        this.link(objects, this.schemaProgram(test)),
      );
    });
    writeFileSync(out, JSON.stringify([...this.alone]));
    for (const id of this.alone) this.schemata.delete(this.numbers.get(id));
  }

  schemaObject(name) {
    return join(this.work, 'schemata', `${name.replace('.cc', '')}.o`);
  }
  schemaProgram(test) {
    return join(this.work, 'schemata', test);
  }
  writeSchema(dir, name, lines) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), lines.join('\n'));
  }
  filesIn(folder) {
    return readdirSync(join(this.src, folder))
      .filter((name) => /\.(cc|h)$/.test(name))
      .map((name) => `${folder}/${name}`);
  }

  /** Takes out what does not compile, a round of errors at a time. */
  async compileSchema(source, object, dir, lines) {
    const header = join(this.work, 'mutant.h');
    writeFileSync(header, HEADER);
    for (let round = 0; round < 100; round++) {
      const errors = [];
      const flags = ['-include', join(this.work, 'library.h'), '-include', header];
      if (await this.compile(source, object, { flags, first: dir, errors })) return true;
      const said = Buffer.concat(errors).toString();
      let out = 0;
      for (const [, name, at] of said.matchAll(/schemata\/src\/([\w/.]+):(\d+):\d+: error/g)) {
        const { original, now, mutants } = lines.get(name);
        out++;
        if (now[at - 1] === original[at - 1]) continue; // taken out meanwhile, for another source
        now[at - 1] = original[at - 1];
        for (const mutant of mutants.filter(({ line }) => line === Number(at))) this.alone.add(idOf(mutant));
        this.writeSchema(dir, name, now);
        break; // the other errors may be no more than what follows from the first
      }
      if (out === 0) throw new Error(`${source}: does not compile with its mutants:\n${said.slice(0, 2000)}`);
    }
    return false;
  }

  async prepareLibrary() {
    const names = new Set();
    for (const name of [...this.sources, ...this.tests])
      for (const [, header] of readFileSync(this.sourceOf(name), 'utf8').matchAll(/^#include <([\w/.]+)>$/gm))
        names.add(header);
    const text = [...names].map((name) => `#include <${name}>\n`).join('');
    const header = join(this.work, 'library.h');
    await this.unlessSame(`${header}.gch`, hash(text), () => {
      writeFileSync(header, text);
      return run('g++', [...FLAGS, '-x', 'c++-header', header, '-o', `${header}.gch`], this.work);
    });
  }

  /** Sources as one, which takes far less time than each of them; no two may have the same name for two things. */
  together(names, path) {
    writeFileSync(path, names.map((name) => `#include "${name}"\n`).join(''));
    return path;
  }

  /** Whether a source, a header or a test includes the header, itself or through others. */
  includes(name, header, seen = new Set()) {
    if (name === header) return true;
    if (seen.has(name)) return false;
    seen.add(name);
    const path = [this.sourceOf(name), join(this.test, name)].find(existsSync);
    if (path === undefined) return false;
    const included = [...readFileSync(path, 'utf8').matchAll(/^#include "([\w/.]+)"/gm)];
    return included.some(([, next]) => this.includes(next, header, seen));
  }

  async prepareCoverage() {
    const sources = hash(this.headers, ...this.sources.map((name) => readFileSync(this.sourceOf(name))));
    const all = join(this.work, 'coverage', 'all.o');
    await this.unlessSame(all, sources, () =>
      this.compile(this.together(this.sources, join(this.work, 'all.cc')), all, { flags: COVERAGE }),
    );
    this.reached = new Map();
    await inParallel(this.parallel, this.tests, async (test) => {
      const lines = join(this.work, 'coverage', `${test}.json`);
      const key = hash(sources, readFileSync(this.sourceOf(test)));
      await this.unlessSame(lines, key, () => this.measure(test, all, lines));
      this.reached.set(test, JSON.parse(readFileSync(lines, 'utf8')));
    });
  }

  async measure(test, all, product) {
    const folder = join(this.work, 'coverage', test);
    rmSync(folder, { recursive: true, force: true });
    const object = join(folder, `${test}.o`);
    const program = join(folder, test);
    if (!(await this.compile(this.sourceOf(test), object, { flags: COVERAGE }))) return false;
    if (!(await this.link([object, all], program, ['--coverage']))) return false;
    const env = { GCOV_PREFIX: join(folder, 'counts') };
    if (!(await run(program, [], this.test, { env }))) throw new Error(`${test}: fails without a mutant`);
    const lines = {};
    for (const made of [object, all]) {
      const counts = join(folder, 'counts', made.replace(/\.o$/, '.gcda'));
      if (!existsSync(counts)) continue;
      writeFileSync(counts.replace(/\.gcda$/, '.gcno'), readFileSync(made.replace(/\.o$/, '.gcno')));
      addLines(lines, counts, this.src, this.work);
    }
    const plain = join(folder, `${test}-plain`);
    if (!(await this.link([this.object(test), ...this.sources.map((n) => this.object(n))], plain)))
      return false;
    const start = Date.now();
    if (!(await run(plain, [], this.test))) throw new Error(`${test}: fails without a mutant`);
    writeFileSync(product, JSON.stringify({ ms: Date.now() - start, lines }));
    return true;
  }

  /** Names of the tests that reach the mutant's line, those first that are likely to say so soon. */
  testsOf(mutant, kills) {
    const file = mutant.file.replace('native/src/', '');
    const lines = this.tests.flatMap((test) => {
      const all = this.reached.get(test).lines[file];
      return all === undefined ? [] : [{ test, all, count: all[mutant.line] }];
    });
    // A line that gcov does not know is a constant or the middle of something longer: whoever reaches the file may notice.
    const known = lines.some(({ count }) => count !== undefined);
    const cost = (test) => (this.reached.get(test).ms + 1500) / (1 + (kills[test] ?? 0));
    return lines
      .filter(({ all, count }) => (known ? count > 0 : Object.values(all).some((n) => n > 0)))
      .map(({ test }) => test)
      .sort((a, b) => cost(a) - cost(b));
  }

  /** What becomes of the mutant; `number`: whose turn it is, of those that work at the same time. */
  async fate(mutant, number, kills) {
    const chosen = this.numbers.get(idOf(mutant));
    if (!this.schemata.has(chosen)) return this.fateAlone(mutant, number, kills);
    for (const test of this.testsOf(mutant, kills)) {
      const limitMs = 5 * this.reached.get(test).ms + 10_000;
      const env = { PTNET_MUTANT: `${chosen}` };
      if (!(await run(this.schemaProgram(test), [], this.test, { limitMs, env }))) return `killed by ${test}`;
    }
    return 'survived';
  }

  /** The same for one that has to be built. */
  async fateAlone(mutant, number, kills) {
    const folder = join(this.work, `mutant-${number}`);
    rmSync(folder, { recursive: true, force: true });
    const name = mutant.file.replace('native/src/', '');
    const path = join(folder, 'src', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, withMutant(readFileSync(join(this.src, name), 'utf8'), mutant));
    const first = join(folder, 'src');
    const changed = join(folder, 'changed.o');
    const concerned = this.sources.filter((source) => this.includes(source, name));
    const source = name.endsWith('.h') ? this.together(concerned, join(folder, 'changed.cc')) : path;
    if (!(await this.compile(source, changed, { first }))) return 'invalid';
    const rest = this.sources.filter((n) => !concerned.includes(n)).map((n) => this.object(n));
    for (const test of this.testsOf(mutant, kills)) {
      let object = this.object(test);
      if (this.includes(test, name)) {
        object = join(folder, `${test}.o`);
        if (!(await this.compile(this.sourceOf(test), object, { first }))) return 'invalid';
      }
      const program = join(folder, test);
      if (!(await this.link([object, changed, ...rest], program))) return `killed by the build of ${test}`;
      const limitMs = 5 * this.reached.get(test).ms + 10_000;
      if (!(await run(program, [], this.test, { limitMs }))) return `killed by ${test}`;
    }
    return 'survived';
  }
}

/** Adds how often each line was reached, of sources below `src`: file -> line -> count. */
function addLines(found, counts, src, cwd) {
  const { stdout } = spawnSync('gcov', ['--json-format', '--stdout', basename(counts)], {
    cwd: dirname(counts),
    maxBuffer: 2 ** 30,
  });
  for (const text of stdout
    .toString()
    .split('\n')
    .filter((t) => t !== '')) {
    const { files, current_working_directory: from } = JSON.parse(text);
    for (const { file, lines } of files) {
      const path = join(file.startsWith('/') ? '' : (from ?? cwd), file);
      if (!path.startsWith(`${src}/`)) continue;
      const name = path.slice(src.length + 1);
      found[name] ??= {};
      for (const { line_number: line, count } of lines) found[name][line] = (found[name][line] ?? 0) + count;
    }
  }
}
