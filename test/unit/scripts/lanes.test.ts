// Steps that run beside others: their order, what is seen of them and when, and that no failure gets lost.
import { spawnSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { expect, test } from 'vitest';

const MODULE = new URL('../../../scripts/lanes.mjs', import.meta.url).href;
const sh = (script: string): string[] => ['sh', '-c', script];

interface Run {
  stdout: string;
  /** What is said at the end about failures. */
  told: string;
  passed: boolean;
}

/** In a process of its own, because the steps write to its output. `again` is the source of a function. */
function run(lanes: { foreground: string[][]; background: string[][] }, again = 'undefined'): Run {
  const program = `const { runLanes } = await import('${MODULE}');
const { foreground, background } = ${JSON.stringify(lanes)};
const again = ${again};
const lanes = { foreground: foreground.map((command) => ({ command, again })), background };
process.exitCode = (await runLanes('/', lanes)) ? 0 : 7;`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  expect([0, 7]).toContain(status);
  const at = stderr.search(/ptnetmap: (failed|UNSTABLE)/);
  return { stdout, told: at < 0 ? '' : stderr.slice(at), passed: status === 0 };
}

test('the background is seen after the foreground, each in its order', () => {
  expect(
    run({
      foreground: [sh('sleep 0.2; echo a'), sh('echo b; pwd')],
      background: [sh('echo c'), sh('echo d >&2'), sh('nice')],
    }),
  ).toEqual({ stdout: `a\nb\n/\nc\nd\n${Math.min(19, getPriority() + 10)}\n`, told: '', passed: true });
});

test.each([
  ['foreground', { foreground: [['false'], sh('echo a')], background: [sh('echo b')] }, 'exit 1'],
  ['background', { foreground: [sh('echo a')], background: [['false'], sh('echo b')] }, 'exit 1'],
  [
    'start of a program',
    { foreground: [['/no/such/program'], sh('echo a')], background: [sh('echo b')] },
    'ENOENT',
  ],
  ['signal', { foreground: [sh('kill -9 $$'), sh('echo a')], background: [sh('echo b')] }, 'SIGKILL'],
])('a failure (%s) is told, and all that comes after it is run', (_, lanes, how) => {
  const { stdout, told, passed } = run(lanes);
  expect({ stdout, passed }).toEqual({ stdout: 'a\nb\n', passed: false });
  expect(told).toContain(how);
});

test('at the end it is said what failed and why: the lines that name it and those after, or else the last ones', () => {
  const { told } = run({
    foreground: [
      sh(
        'echo; echo "\\033[31m FAIL \\033[39m one.test.ts > it works"; echo; echo 1 is not 2; echo FAIL two; seq 9; exit 1',
      ),
      sh('echo fine'),
    ],
    background: [sh('echo FAILED build/a_test: 1, expected 2; exit 2'), sh('seq 9; exit 3')],
  });
  expect(told.replaceAll(/sh -c .*/g, 'sh')).toBe(`ptnetmap: failed (exit 1): sh
    FAIL  one.test.ts > it works
      1 is not 2
    FAIL two
      1
      2
      3
      4
      5
      6
      7
      8
ptnetmap: failed (exit 2): nice -n 10 sh
    FAILED build/a_test: 1, expected 2
ptnetmap: failed (exit 3): nice -n 10 sh
    5
    6
    7
    8
    9
`);
});

const fails = (...names: string[]): string[] =>
  sh(`echo first; ${names.map((name) => `echo FAIL ${name}.test.ts`).join('; ')}; exit 1`);
const AGAIN = `(line) => line.startsWith('FAIL') ? ['sh', '-c', 'echo again ' + line + '; exit ' + /\\d/.exec(line)[0]] : undefined`;

test('what failed beside others is run again when all have ended, and one that passes then is told, but is no failure', () => {
  const { stdout, told, passed } = run(
    { foreground: [fails('a0', 'b0', 'a0')], background: [sh('echo last')] },
    AGAIN,
  );
  expect(stdout).toBe(
    'first\nFAIL a0.test.ts\nFAIL b0.test.ts\nFAIL a0.test.ts\nlast\nagain FAIL a0.test.ts\nagain FAIL b0.test.ts\n',
  );
  expect(told).toContain('UNSTABLE');
  expect(told).toContain('FAIL b0.test.ts');
  expect(passed).toBe(true);
});

test.each([
  ['it fails again', ['a0', 'b1'], ['a0', 'b1']],
  ['more than a few failed', ['a0', 'b0', 'c0', 'd0'], []],
])('a failure stays one when %s', (_, names, again) => {
  const { stdout, told, passed } = run({ foreground: [fails(...names)], background: [] }, AGAIN);
  expect(stdout.match(/(?<=^again FAIL )\w+/gm) ?? []).toEqual(again);
  expect(told).toContain('ptnetmap: failed (exit 1)');
  expect(passed).toBe(false);
});

test.each([
  [
    'a sanitizer found something',
    sh('echo FAIL a0.test.ts; echo SUMMARY: ThreadSanitizer: data race; exit 1'),
  ],
  ['it names nothing', sh('echo a0; exit 1')],
])('nothing is run again when %s', (_, step) => {
  const { stdout, passed } = run({ foreground: [step], background: [] }, AGAIN);
  expect(stdout).not.toContain('again');
  expect(passed).toBe(false);
});
