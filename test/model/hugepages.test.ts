// Regions of hugepages: packets pass through them, too few of them are said with the number that would do, and whoever takes them
// away harms himself.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { afterAll, expect, test } from 'vitest';
import { closeFd, mapFd, memfdCreate } from '../../native/os.ts';
import { PTCTL } from '../../pci/index.ts';
import { TestHost } from '../harness/host.ts';
import { hugepages } from '../harness/hugepages.ts';
import { attach, onEnd, open, startHost } from './scene.ts';

/** 300 buffers, with rings and headers: 2 MiB, and 4 when padded for the BAR. */
const PAGES = 4;
const HUGE = 2 ** 21;
const MAC = '02:00:00:00:00:01';
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

/** Pages of 2 MiB that nobody else finds free then, as a peer takes them. */
function takeFreeHugepages(): { giveBack(): void } {
  const pages = Number(readFileSync('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages', 'utf8'));
  const fd = memfdCreate('taken', pages * HUGE, { hugetlb: true });
  const mapping = mapFd(fd, { length: pages * HUGE, writable: true });
  for (let page = 0; page < pages; page++) new Uint8Array(mapping.buffer, page * HUGE, 1)[0] = 1;
  return {
    giveBack: () => {
      mapping.unmap();
      closeFd(fd);
    },
  };
}

test.skipIf(why !== undefined && !root)(
  'a VM that punches the pages out of its region and takes them loses its device; the host and another VM live on',
  async () => {
    expect(why).toBeUndefined();
    const host = await startHost(`
regions: { lan: { id: 5, hugepages: true, ring-num: 4, ring-size: 2048, buf-num: 300 } }
ports: { 'null:a': { tx-slots: 64, rx-slots: 64 }, 'null:b': { sink: { verify: true } } }
vms:
  vm1: { region: lan, devices: [{ port: 'null:a', policy: poll }] }
  vm2: { devices: [{ port: 'null:b' }] }
`);
    const good = await attach(host, 'vm2');
    const bad = await open(host, 'vm1');
    onEnd(async () => await bad.crash());
    await bad.create();
    expect(await bad.send(new Uint8Array(60))).toBe(true);
    // What its client has from its memory device is the region's own file.
    const { fd } = await bad.functions[0]!.device.regionInfo(1);
    onEnd(() => closeFd(fd!));
    execFileSync('fallocate', [
      '--punch-hole',
      '-o',
      '0',
      '-l',
      `${PAGES * HUGE}`,
      `/proc/${process.pid}/fd/${fd}`,
    ]);
    const taken = takeFreeHugepages();
    // The host writes where a page was.
    host.host.setSource('null:a', {
      packets: 100,
      size: 60,
      payload: 'full',
      rate: 0,
      stream: 0,
      dst: MAC,
      src: MAC,
    });
    const said = () => host.warnings().filter((text) => text.startsWith('vm1/net0: '));
    await expect
      .poll(said, { timeout: 10_000 })
      .toContainEqual(expect.stringMatching(/a VM of its region has taken pages/));
    expect(await bad.ports[0]!.ptnet.control(PTCTL.CREATE)).toBe(constants.errno.EIO);
    const loop = await good.ports[0]!.startLoop({ op: 'send', count: 10_000n, payload: 'full' });
    expect(await loop.done).toMatchObject({ stopped: 'count', sent: { packets: 10_000n } });
    expect(host.port('null:b').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
    taken.giveBack();
  },
);

test('too few hugepages', async () => {
  // 61 GiB of buffers, 64 GiB of BAR.
  const pools = 'buf-num: 1000000, buf-size: 65536';
  await expect(TestHost.start(region(pools))).rejects.toThrow(
    'region 5: too few hugepages are free: it takes 32768 of 2 MiB: raise /proc/sys/vm/nr_hugepages',
  );
});
