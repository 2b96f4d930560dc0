// `ptnet check --live`: hosts of every kind of port pass, and what is wrong, in the host or in a packet, is found.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, expect, test } from 'vitest';
import type { Finding } from '../../backend/check/finding.ts';
import { checkLive } from '../../backend/check/live/live.ts';
import { tryPaths } from '../../backend/check/live/paths.ts';
import type { Station } from '../../backend/check/live/station.ts';
import { Trial } from '../../backend/check/live/trial.ts';
import { parseConfig } from '../../backend/config/load.ts';

const quiet = { signal: new AbortController().signal, onProgress: () => {} };
const folder = mkdtempSync(`${tmpdir()}/ptnet-live-`);
afterAll(() => rmSync(folder, { recursive: true }));
const load = (yaml: string) => parseConfig(`run-dir: ${folder}\n${yaml}`, 'test.yaml');

async function all(findings: AsyncIterable<Finding>): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of findings) found.push(finding);
  return found;
}

/** Run-dirs of trials. */
const trials = () => readdirSync(tmpdir()).filter((name) => name.startsWith('ptnet-check-'));
const wrong = (found: readonly Finding[]) => found.filter(({ status }) => status !== 'pass');

const TWO = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;
const ISOLATED = `switches: { vale0: { lookup: { isolated: {} } } }\n${TWO}`;

test.each([
  ['a switch and another', `${TWO}  vm3: { devices: [{ port: 'vale1:1' }, { port: 'vale1:2', bar0: mem }] }`],
  ['isolated ports', ISOLATED],
  ['a monitor', `${TWO}  vm3: { devices: [{ port: 'vale0:1/rt' }] }`],
  ['a hub', `switches: { vale0: { lookup: hub } }\n${TWO}`],
  ['a table', `switches: { vale0: { lookup: { static: { '02:00:00:00:02:00': 'vale0:2' } } } }\n${TWO}`],
  [
    'pipes with several rings',
    `regions: { r: }
ports: { 'p{1': { tx-rings: 2, rx-rings: 2 }, 'p}1': { tx-rings: 2, rx-rings: 2 } }
vms:
  vm1: { region: r, devices: [{ port: 'p{1' }, { port: 'p{2' }] }
  vm2: { region: r, devices: [{ port: 'p}1' }, { port: 'p}2' }] }`,
  ],
  [
    'a null port with several rings, an echo, short rings',
    `ports: { 'null:a': { tx-rings: 3, rx-rings: 2 }, 'echo:a': { tx-slots: 8, rx-slots: 8 } }
vms: { vm1: { pci-ids: '1b36:cccc', devices: [{ port: 'null:a' }, { port: 'echo:a' }] } }`,
  ],
])('%s: all is well, and nothing is left', async (_, yaml) => {
  const before = trials();
  const found = await all(checkLive(load(yaml), quiet));
  expect(wrong(found)).toEqual([]);
  const ids = new Set(found.map(({ id }) => id));
  for (const id of [
    'live-host',
    'live-device',
    'live-registers',
    'live-memory',
    'live-interrupts',
    'live-doorbells',
  ] as const)
    expect(ids).toContain(id);
  expect(trials()).toEqual(before);
});

test('every packet of every size is looked at, on each path', async () => {
  const found = await all(checkLive(load(TWO), quiet));
  const paths = found.filter(({ id }) => id === 'live-path');
  expect(paths.map(({ object }) => object)).toEqual(['vm1/net0', 'vm2/net0']);
  expect(paths[0]!.evidence).toMatch(/^packets of 1513 sizes, and one to everybody, reached vm2\/net0/);
});

test('a host that isolates two ports which the file joins is found out', async () => {
  const found = await all(checkLive(load(ISOLATED), { ...quiet, expected: load(TWO) }));
  expect(wrong(found)).toMatchObject([
    { id: 'live-path', object: 'vm1/net0', status: 'fail', evidence: expect.stringContaining('vm2/net0') },
    { id: 'live-path', object: 'vm2/net0', status: 'fail' },
  ]);
});

test('a host that joins two ports which the file isolates is found out', async () => {
  const found = await all(checkLive(load(TWO), { ...quiet, expected: load(ISOLATED) }));
  expect(wrong(found).map(({ id }) => id)).toContain('live-isolation');
  expect(wrong(found)[0]!.evidence).toMatch(/got a packet from/);
});

/** Both VMs of TWO; what the second one gets goes through `damage`. */
async function withDamage(damage: (frame: Uint8Array, count: number) => Uint8Array[]): Promise<Finding[]> {
  const trial = await Trial.start(load(TWO));
  try {
    for (const vm of ['vm1', 'vm2']) await (await trial.open(vm)).guest.create();
    const [first, second] = trial.stations;
    let count = 0;
    const damaged: Station = {
      place: second!.place,
      longest: 1514,
      slots: second!.slots,
      bufSize: second!.bufSize,
      send: (frames, ring) => second!.send(frames, ring),
      drain: async () => (await second!.drain()).flatMap((frame) => damage(frame, count++)),
    };
    return wrong(await all(tryPaths([first!, damaged], trial.config, quiet)));
  } finally {
    await trial.close();
  }
}

test('a byte that is not as it was sent fails the path', async () => {
  const found = await withDamage((frame, count) => {
    if (count === 100) frame[frame.length - 1]! ^= 1;
    return [frame];
  });
  expect(found.map(({ evidence }) => evidence).join('\n')).toMatch(/is not as anybody sent it/);
});

test('a packet that does not come fails the path', async () => {
  const found = await withDamage((frame, count) => (count === 100 ? [] : [frame]));
  expect(found[0]).toMatchObject({ id: 'live-path', object: 'vm1/net0' });
  expect(found[0]!.evidence).toMatch(/did not come/);
});

test('two packets that change places fail the path', async () => {
  let kept: Uint8Array | undefined;
  const found = await withDamage((frame, count) => {
    if (count === 100) kept = frame;
    if (count === 100) return [];
    const both = kept === undefined ? [frame] : [frame, kept];
    kept = undefined;
    return both;
  });
  expect(found[0]!.evidence).toMatch(/in another order/);
});

test('a host that does not start is a finding', async () => {
  const yaml = `switches: { vale0: { lookup: { plugin: ${folder}/nowhere.so } } }\n${TWO}`;
  expect(await all(checkLive(load(yaml), quiet))).toMatchObject([
    { id: 'live-host', status: 'fail', evidence: expect.stringContaining('nowhere.so') },
  ]);
});

test('what is stopped ends, with its reason, and leaves nothing', async () => {
  const before = trials();
  const controller = new AbortController();
  const run = all(
    checkLive(load(TWO), {
      signal: controller.signal,
      onProgress: (what) => {
        if (what.includes('packets')) controller.abort(new Error('enough'));
      },
    }),
  );
  await expect(run).rejects.toThrow('enough');
  expect(trials()).toEqual(before);
});
