// `ptnet check --live` of files with taps and interfaces: stand-ins in a namespace answer, and the machine's own are not touched.
import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { afterAll, expect, test } from 'vitest';
import type { Finding } from '../../backend/check/finding.ts';
import { checkLive } from '../../backend/check/live/live.ts';
import { parseConfig } from '../../backend/config/load.ts';
import { overlayLinks } from '../../native/interfaces.ts';

const quiet = { signal: new AbortController().signal, onProgress: () => {} };
const folder = mkdtempSync(`${tmpdir()}/ptnet-live-`);
afterAll(() => rmSync(folder, { recursive: true }));
const load = (yaml: string) => parseConfig(`run-dir: ${folder}\n${yaml}`, 'test.yaml');
const links = () => overlayLinks('').map(({ name }) => name);

async function all(yaml: string, expected = yaml): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of checkLive(load(yaml), { ...quiet, expected: load(expected) }))
    found.push(finding);
  return found;
}

const wrong = (found: readonly Finding[]) => found.filter(({ status }) => status !== 'pass');
const answered = (found: readonly Finding[]) =>
  found.filter(({ evidence }) => evidence.includes('the kernel answered')).map(({ object }) => object);

test('a tap of a VM, an interface of a VM, and the host’s side of one', async () => {
  const before = [links(), networkInterfaces()];
  const found = await all(`
ports: { 'tap:lan': { address: 192.0.2.1/24 }, 'netmap:eth77': { tx-rings: 2, rx-rings: 2 } }
vms: { vm1: { devices: [{ port: 'tap:lan' }, { port: 'netmap:eth77' }, { port: 'netmap:eth77^' }] } }`);
  expect(wrong(found)).toEqual([]);
  expect(answered(found)).toEqual([
    'vm1/net0 -> tap:lan',
    'vm1/net1 -> netmap:eth77',
    'vm1/net2 -> netmap:eth77^',
  ]);
  expect([links(), networkInterfaces()]).toEqual(before);
});

const SWITCH = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }`;

test('members of a switch: each VM gets an answer with every byte', async () => {
  const found = await all(`switches: { vale0: { members: ['tap:lan', 'netmap:eth77'] } }\n${SWITCH}`);
  expect(wrong(found)).toEqual([]);
  expect(answered(found)).toHaveLength(4);
});

test('isolated ports: one reaches the promiscuous tap, none the other one', async () => {
  const lookup = "lookup: { isolated: { promiscuous: ['tap:up'] } }";
  const found = await all(`switches: { vale0: { members: ['tap:up', 'tap:down'], ${lookup} } }\n${SWITCH}`);
  expect(wrong(found)).toEqual([]);
  expect(answered(found)).toEqual(['vm1/net0 -> tap:up', 'vm2/net0 -> tap:up']);
  const kept = found.filter(({ id, object }) => id === 'live-isolation' && object.endsWith('tap:down'));
  expect(kept).toHaveLength(2);
});

test('where there can be no namespace the interfaces are left out, and the rest is tried', async () => {
  const path = process.env.PATH;
  process.env.PATH = '/nowhere';
  try {
    const found = await all(`switches: { vale0: { members: ['tap:lan'] } }
vms:
  vm1: { devices: [{ port: 'vale0:1' }, { port: 'tap:vm1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
  vm3: { devices: [{ port: 'tap:vm3' }] }`);
    expect(wrong(found)).toMatchObject([
      {
        id: 'live-interfaces',
        status: 'warn',
        evidence: expect.stringMatching(/^no network namespace: .*tap:vm1, tap:vm3, tap:lan are not tried$/),
      },
    ]);
    expect(found.filter(({ id }) => id === 'live-path').map(({ object }) => object)).toEqual([
      'vm1/net0',
      'vm2/net0',
    ]);
  } finally {
    process.env.PATH = path;
  }
});
