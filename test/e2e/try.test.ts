// `ptnet try` and `ptnet measure` on real VMs: a switch, a pipe and a null port carry packets, and what may not pass does not.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, expect } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { vmTest } from './vm-test.ts';

const folder = mkdtempSync(join(tmpdir(), 'ptnet-try-'));
afterAll(() => rmSync(folder, { recursive: true }));

const tryFile = (text: string) => ptnet('try', text);

async function ptnet(command: string, text: string, ...more: string[]) {
  const file = join(folder, 'host.yaml');
  writeFileSync(file, `run-dir: ${folder}\n${text}`);
  const main = join(projectRoot(), 'dist/backend/cli/main.js');
  const args = [main, command, file, ...more, '--json'];
  const { exitCode, stdout, stderr } = await execa(process.execPath, args, { reject: false });
  return { exitCode, stderr, result: JSON.parse(stdout) };
}

vmTest('every path of a file carries packets, all of them unaltered', async () => {
  const { exitCode, result, stderr } = await tryFile(`
regions: { lan: { buf-num: 16384 } }
vms:
  vm1: { region: lan, devices: [{ port: 'vale0:1' }, { port: 'p{1' }, { port: 'null:a' }] }
  vm2: { region: lan, devices: [{ port: 'vale0:2' }, { port: 'p}1' }] }
`);
  expect(stderr).toContain('ptnet: booting vm1, vm2 with test guests (QEMU ');
  expect(
    result.paths.map(({ path, verdict }: { path: string; verdict: string }) => `${path}: ${verdict}`),
  ).toEqual([
    'vm1/net0 -> vm2/net0: pass',
    'vm2/net0 -> vm1/net0: pass',
    'vm1/net1 -> vm2/net1: pass',
    'vm2/net1 -> vm1/net1: pass',
    'vm1/net2 -> host: pass',
    'host -> vm1/net2: pass',
  ]);
  for (const { received, corrupt } of result.paths) {
    expect(received).toBeGreaterThan(1000);
    expect(corrupt).toBe(0);
  }
  expect(exitCode).toBe(0);
});

vmTest('what a lookup function forbids does not arrive, and is no failure', async () => {
  const { exitCode, result } = await tryFile(`
switches: { vale0: { lookup: { isolated: { communities: { a: ['vale0:1'], b: ['vale0:2'] } } } } }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
  expect(result.paths).toMatchObject([
    { path: 'vm1/net0 -> vm2/net0', received: 0, verdict: 'none' },
    { path: 'vm2/net0 -> vm1/net0', received: 0, verdict: 'none' },
  ]);
  expect(exitCode).toBe(0);
});

vmTest(
  'measure --vm: an application of the host at the other end of a pipe, which loses nothing',
  async () => {
    const text = `
regions: { lan: { buf-num: 16384 } }
applications: { region: lan, ports: ['p}1'] }
vms:
  vm1: { region: lan, devices: [{ port: 'vale0:1' }, { port: 'p{1' }] }
`;
    const paths = ['vm1/net1 -> p}1', 'p}1 -> vm1/net1'];
    const { exitCode, result, stderr } = await ptnet('measure', text, ...paths, '--vm');
    expect(exitCode, stderr).toBe(0);
    expect(result.ends).toEqual({ 'vm1/net1': 'vm', 'p}1': 'application' });
    expect(result.rates).toMatchObject([
      { path: 'vm1/net1 -> p}1', lost: 0, corrupt: 0 },
      { path: 'p}1 -> vm1/net1', lost: 0, corrupt: 0 },
    ]);
  },
);
