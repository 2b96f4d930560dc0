// What docs/control.md shows is run: every curl line, and every change, on the host that the page starts.
import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { run } from '../../backend/cli/program.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';
import { startControlled } from './control-scene.ts';

const page = readFileSync('docs/control.md', 'utf8');
const shell = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block]) =>
  block!.trim().split('\n'),
);
const example = readFileSync('examples/vale.yaml', 'utf8').replace(/^run-dir:.*$/m, '');

test('every curl line gets an answer that is no problem', async () => {
  const { host } = await startControlled(example);
  const lines = shell.filter((line) => line.startsWith('curl '));
  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) {
    const { stdout } = await execa('sh', ['-c', line.replaceAll('/tmp/pt/', `${host.runDir}/`)]);
    expect(stdout, line).not.toBe('');
    expect(stdout, line).not.toContain('urn:ptnetmap:problem');
  }
});

test('every change of a running host that it shows', async () => {
  const { host } = await startControlled(example);
  const lines = shell.filter((line) => /^ptnet (set|ls)/.test(line));
  expect(lines.length).toBeGreaterThan(4);
  for (const line of lines) {
    const io = new FakeIo();
    const words = line
      .replace(/--run-dir \S+/, '')
      .trim()
      .split(' ')
      .slice(1);
    const status = await run([...words, '--run-dir', host.runDir], io, () =>
      Promise.reject(new Error('none')),
    );
    expect([line, status, io.stderr]).toEqual([line, 0, '']);
  }
});
