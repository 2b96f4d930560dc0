// Steps that run beside others: their order, what is seen of them and when, and that no failure gets lost.
import { spawnSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { expect, test } from 'vitest';

const MODULE = new URL('../../../scripts/lanes.mjs', import.meta.url).href;
const sh = (script: string): string[] => ['sh', '-c', script];

/** In a process of its own, because the steps write to its output. */
function run(lanes: { foreground: string[][]; background: string[][] }): { stdout: string; passed: boolean } {
  const program = `const { runLanes } = await import('${MODULE}');
process.exitCode = (await runLanes('/', ${JSON.stringify(lanes)})) ? 0 : 7;`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  expect([0, 7]).toContain(status);
  return { stdout, passed: status === 0 };
}

test('the background is seen after the foreground, each in its order', () => {
  expect(
    run({
      foreground: [sh('sleep 0.2; echo a'), sh('echo b; pwd')],
      background: [sh('echo c'), sh('echo d >&2; nice')],
    }),
  ).toEqual({ stdout: `a\nb\n/\nc\nd\n${Math.min(19, getPriority() + 10)}\n`, passed: true });
});

test.each([
  ['foreground', { foreground: [['false'], sh('echo never')], background: [sh('echo b')] }],
  ['background', { foreground: [sh('echo b')], background: [['false'], sh('echo never')] }],
  ['start of a program', { foreground: [['/no/such/program']], background: [sh('echo b')] }],
  ['signal', { foreground: [sh('kill -9 $$')], background: [sh('echo b')] }],
])('a failure (%s) ends its own lane only, and is told', (_, lanes) => {
  expect(run(lanes)).toEqual({ stdout: 'b\n', passed: false });
});
