// Regions of hugepages: packets pass through them, and too few of them are said with the number that would do.
import { afterAll, expect, test } from 'vitest';
import { TestHost } from '../harness/host.ts';
import { hugepages } from '../harness/hugepages.ts';
import { attach, startHost } from './scene.ts';

/** 300 buffers, with rings and headers: 2 MiB, and 4 when padded for the BAR. */
const PAGES = 4;
const region = (pools: string) => `
regions: { lan: { id: 5, hugepages: true, ${pools} } }
ports: { 'null:a': { tx-slots: 64, rx-slots: 64, sink: { verify: true } } }
vms: { vm1: { region: lan, devices: [{ port: 'null:a' }] } }
`;

const root = process.getuid?.() === 0;
const why = hugepages.lend(PAGES);
afterAll(() => hugepages.giveBack());

/** Root can have hugepages on any machine: then their absence is a failure. */
test.skipIf(why !== undefined && !root)(
  `10,000 packets through a region of hugepages${why === undefined ? '' : ` (not run: ${why})`}`,
  async () => {
    expect(why).toBeUndefined();
    const host = await startHost(region('ring-num: 4, ring-size: 2048, buf-num: 300'));
    const guest = await attach(host, 'vm1');
    const loop = await guest.ports[0]!.startLoop({ op: 'send', count: 10_000n, payload: 'full' });
    expect(await loop.done).toMatchObject({ stopped: 'count', sent: { packets: 10_000n } });
    expect(host.packets('null:a', 'tx')).toBe(10_000);
    expect(host.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  },
);

test('too few hugepages', async () => {
  // 61 GiB of buffers, 64 GiB of BAR.
  const pools = 'buf-num: 1000000, buf-size: 65536';
  await expect(TestHost.start(region(pools))).rejects.toThrow(
    'region 5: too few hugepages are free: it takes 32768 of 2 MiB: raise /proc/sys/vm/nr_hugepages',
  );
});
