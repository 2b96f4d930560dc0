// Mutants of TypeScript: the folders of vitest that reach a file, and what they say to a mutant of it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withMutant } from './mutants.mjs';
import { run } from './run.mjs';

/** Runs of vitest, the quick first: files of one run share a process and its modules. */
const TESTS = {
  'backend/vfio-user': [
    ['test/unit/backend/vfio-user', 'test/protocol'],
    [
      'test/unit/backend/hosted-ptnet.test.ts',
      'test/unit/backend/sockets.test.ts',
      'test/property/backend/vfio-user',
    ],
    ['test/model/bad-input.test.ts', 'test/model/traffic.test.ts'],
  ],
  'backend/datapath': [
    ['test/unit/backend/datapath'],
    [
      'test/unit/backend/hosted-ptnet.test.ts',
      'test/unit/backend/host.test.ts',
      'test/unit/backend/watch.test.ts',
    ],
    ['test/model/bad-rings.test.ts', 'test/model/traffic.test.ts'],
  ],
};

export class ScriptTests {
  /** `trees`: a copy of everything for each that works at the same time. `store`: where limits are kept. */
  constructor(trees, store) {
    this.trees = trees;
    this.store = store;
    this.limitMs = existsSync(store) ? JSON.parse(readFileSync(store, 'utf8')) : {};
  }

  runs(file) {
    const key = Object.keys(TESTS).find((folder) => file.startsWith(`${folder}/`));
    if (key === undefined)
      throw new Error(`${file}: no tests are known for it: add its folder to scripts/mutate`);
    return TESTS[key];
  }

  passes(paths, number, limitMs) {
    const args = ['vitest', 'run', '--no-isolate', '--bail=1', '--testTimeout=300000', ...paths];
    return run('npx', args, this.trees[number], { limitMs });
  }

  /** Learns how long the tests of these files take without a mutant. */
  async prepare(files) {
    for (const paths of new Set(files.flatMap((file) => this.runs(file)))) {
      if (this.limitMs[paths] !== undefined) continue;
      const start = Date.now();
      if (!(await this.passes(paths, 0))) throw new Error(`${paths.join(' ')}: fails without a mutant`);
      this.limitMs[paths] = 5 * (Date.now() - start) + 10_000;
      writeFileSync(this.store, JSON.stringify(this.limitMs, null, 1));
    }
  }

  /** What becomes of the mutant; `number`: whose turn it is, of those that work at the same time. */
  async fate(mutant, number) {
    const path = join(this.trees[number], mutant.file);
    const original = readFileSync(path, 'utf8');
    writeFileSync(path, withMutant(original, mutant));
    try {
      for (const paths of this.runs(mutant.file))
        if (!(await this.passes(paths, number, this.limitMs[paths]))) return `killed by ${paths.join(' ')}`;
      return 'survived';
    } finally {
      writeFileSync(path, original);
    }
  }
}
