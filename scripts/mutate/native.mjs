// Mutants of C++: which tests reach a line, and what they say to a mutant of it. Built apart from `make -C native/test`, for
// speed: without optimisation, with headers of the library compiled before, and all sources as one when a header is mutated.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { withMutant } from './mutants.mjs';
import { inParallel, run } from './run.mjs';

const FLAGS = ['-O0', '-std=gnu++20', '-fno-exceptions', '-fno-rtti', '-w'];
const COVERAGE = ['--coverage', '-fprofile-update=atomic'];
/** `limits` measures machines: nothing of the data path is in it. */
const FOLDERS = ['os', 'memory', 'ring', 'datapath', 'forward', 'stats'];
const LEFT_OUT = ['limits_test'];

const hash = (...texts) => createHash('sha256').update(texts.join('\0')).digest('hex');

export class NativeTests {
  /** `tree`: a copy of the sources that nothing changes meanwhile. `work`: a folder for what is built. */
  constructor(tree, work, parallel) {
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
      ...[...FOLDERS.map((folder) => join(this.src, folder)), this.test].flatMap((folder) =>
        readdirSync(folder)
          .filter((name) => name.endsWith('.h'))
          .map((name) => readFileSync(join(folder, name))),
      ),
    );
  }

  /** Whether the source was compiled; `first`: a folder whose headers come before the tree's. */
  compile(source, object, { flags = [], first } = {}) {
    mkdirSync(dirname(object), { recursive: true });
    const include = [...(first === undefined ? [] : [`-I${first}`]), `-I${this.src}`, `-I${this.test}`];
    const before = flags === COVERAGE ? [] : ['-include', join(this.work, 'library.h')];
    return run('g++', [...FLAGS, ...flags, ...before, ...include, '-c', source, '-o', object], this.work);
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

  /** All sources as one: without exceptions, since what would clash in it is renamed. */
  unity() {
    const path = join(this.work, 'all.cc');
    writeFileSync(path, this.sources.map((name) => `#include "${name}"\n`).join(''));
    return path;
  }

  async prepareCoverage() {
    const sources = hash(this.headers, ...this.sources.map((name) => readFileSync(this.sourceOf(name))));
    const all = join(this.work, 'coverage', 'all.o');
    await this.unlessSame(all, sources, () => this.compile(this.unity(), all, { flags: COVERAGE }));
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
    const folder = join(this.work, `mutant-${number}`);
    rmSync(folder, { recursive: true, force: true });
    const name = mutant.file.replace('native/src/', '');
    const path = join(folder, 'src', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, withMutant(readFileSync(join(this.src, name), 'utf8'), mutant));
    const isHeader = name.endsWith('.h');
    const first = join(folder, 'src');
    const changed = join(folder, 'changed.o');
    if (!(await this.compile(isHeader ? this.unity() : path, changed, { first }))) return 'invalid';
    const rest = isHeader ? [] : this.sources.filter((n) => n !== name).map((n) => this.object(n));
    for (const test of this.testsOf(mutant, kills)) {
      let object = this.object(test);
      if (isHeader) {
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
