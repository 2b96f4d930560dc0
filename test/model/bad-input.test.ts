// A VM that uses its device against every rule: it gets an errno, the log names it, and the VM beside it is served.
import { spawnSync } from 'node:child_process';
import { ftruncateSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { closeFd, inspectFd, memfdCreate } from '../../native/os.ts';
import { PTCTL, PTNET } from '../../pci/index.ts';
import { flood, Neighbours, source, until } from './neighbours.ts';
import { onEnd } from './scene.ts';

const { EACCES, EBUSY, EFAULT, EINVAL, ENXIO, EOPNOTSUPP } = constants.errno;
const PAGE = 0x1000n;
const POLL = "{ port: 'null:a', policy: poll }";
/** Where the bad VM's additional maps lie. */
const HIGH = 0x20_0000_0000n;

function memory(size: bigint): number {
  const fd = memfdCreate('more guest memory', Number(size));
  onEnd(() => closeFd(fd));
  return fd;
}

/** Maps for every way in which an address can be wrong. */
async function strangeMaps({ port }: Neighbours): Promise<void> {
  const { device } = port.ptnet.pci;
  const fd = memory(8n * PAGE);
  await device.dmaMap({ address: HIGH, size: PAGE });
  await device.dmaMap({ address: HIGH + 2n * PAGE, size: PAGE, offset: 0n }, fd);
  await device.dmaMap({ address: HIGH + 3n * PAGE, size: PAGE, offset: 6n * PAGE }, fd);
  await device.dmaMap({ address: HIGH + 5n * PAGE, size: PAGE, flags: 1 }, fd);
  await device.dmaMap({ address: HIGH + 6n * PAGE, size: PAGE, flags: 2 }, fd);
}

describe('CREATE', () => {
  test.each([
    ['outside guest memory', HIGH + 0x100n * PAGE, EFAULT, /0x2000100000: nothing is mapped there/],
    [
      'at the end of the address space',
      (1n << 64n) - 64n,
      EFAULT,
      /0xffffffffffffffc0: nothing is mapped there/,
    ],
    ['over the end of a map', HIGH + 3n * PAGE + PAGE - 64n, EFAULT, /its 128 bytes run over the end/],
    ['in memory without a descriptor', HIGH, EOPNOTSUPP, /without a descriptor.*share=on/],
    ['across two maps', HIGH + 3n * PAGE - 64n, EFAULT, /its 128 bytes run over the end/],
    ['in memory that may not be written', HIGH + 5n * PAGE, EACCES, /not mapped for reading and writing/],
    ['in memory that may not be read', HIGH + 6n * PAGE, EACCES, /not mapped for reading and writing/],
    ['not aligned to an entry', HIGH + 2n * PAGE + 4n, EINVAL, /not aligned/],
  ])('with a CSB %s is refused, for both arrays', async (_, address, errno, line) => {
    const both = await Neighbours.start();
    await strangeMaps(both);
    const { ptnet } = both.port;
    const { guestToHost, hostToGuest } = ptnet.csbPages;
    await ptnet.setCsb(address, hostToGuest.address);
    expect(await ptnet.control(PTCTL.CREATE)).toBe(errno);
    await both.expectLog(new RegExp(`CREATE: guest-to-host CSB at .*${line.source}`));
    await ptnet.setCsb(guestToHost.address, address);
    expect(await ptnet.control(PTCTL.CREATE)).toBe(errno);
    await both.expectLog(new RegExp(`CREATE: host-to-guest CSB at .*${line.source}`));
    await both.expectUndisturbed();
    await ptnet.setCsb(guestToHost.address, hostToGuest.address);
    await both.bad.create();
  });

  test('twice is EBUSY, another command EINVAL, each logged; DELETE first is ENXIO, as drivers do at each unload', async () => {
    const both = await Neighbours.start();
    const { ptnet } = both.port;
    expect(await ptnet.control(PTCTL.DELETE)).toBe(ENXIO);
    expect(await ptnet.control(0xffff_ffff)).toBe(EINVAL);
    await both.expectLog(/command other than CREATE and DELETE/);
    await both.bad.create();
    expect(await ptnet.control(PTCTL.CREATE)).toBe(EBUSY);
    await both.expectLog(/CREATE while the rings are already/);
    expect(await both.bad.send(new Uint8Array(60))).toBe(true);
    await both.expectUndisturbed();
    expect(await ptnet.control(PTCTL.DELETE)).toBe(0);
    expect(await ptnet.control(PTCTL.DELETE)).toBe(ENXIO);
  });

  test('with both arrays at the same address harms only who did it', async () => {
    const both = await Neighbours.start({ device: POLL });
    const { ptnet } = both.port;
    const { address } = ptnet.csbPages.guestToHost;
    await ptnet.setCsb(address, address);
    expect(await ptnet.control(PTCTL.CREATE)).toBe(0);
    for (let head = 0; head < 100; head++) both.port.tx[0]!.setHead(head);
    await both.expectUndisturbed();
    await ptnet.control(PTCTL.DELETE);
  });

  test('with both arrays in one page of memory that is mapped twice harms only who did it', async () => {
    const both = await Neighbours.start({ device: POLL });
    const { ptnet } = both.port;
    const fd = memory(2n * PAGE);
    // The same page of memory at two addresses: the arrays lie on one another.
    await ptnet.pci.device.dmaMap({ address: HIGH, size: PAGE }, fd);
    await ptnet.pci.device.dmaMap({ address: HIGH + PAGE, size: PAGE }, fd);
    await ptnet.setCsb(HIGH, HIGH + PAGE);
    expect(await ptnet.control(PTCTL.CREATE)).toBe(0);
    await both.expectUndisturbed();
  });
});

test('doorbells of rings that do not exist are counted and logged', async () => {
  const both = await Neighbours.start();
  const { ptnet } = both.port;
  await ptnet.kick(0);
  await both.expectLog(/doorbell while the rings are not being served \(ring 0\)/);
  await both.bad.create();
  for (let ring = ptnet.numRings; ring < 32; ring++) await ptnet.kick(ring);
  await both.expectLog(/doorbell of a ring that the port does not have \(ring 2\)/);
  await both.expectLog(/doorbell of a ring .*\(10 times\)/);
  // Beside a doorbell, across two, and beyond the BAR.
  const { device } = ptnet.pci;
  await device.write(PTNET.IO_BAR, PTNET.KICK_BASE + 1, new Uint8Array(2));
  await device.write(PTNET.IO_BAR, PTNET.KICK_BASE + 2, new Uint8Array(4));
  await device.write(PTNET.IO_BAR, PTNET.KICK_BASE, new Uint8Array(128));
  await device.write(PTNET.IO_BAR, 254, new Uint8Array(4), { expectErrno: EINVAL });
  await both.expectLog(/covers only a part/);
  await both.expectUndisturbed();
  expect(await both.bad.send(new Uint8Array(60))).toBe(true);
});

test('a guest that never enabled MSI-X may ask for interrupts: it gets packets, and none is raised', async () => {
  const both = await Neighbours.start({ guest: { vectors: 0 } });
  await both.bad.create();
  both.port.ptnet.csb.atok(1).applNeedKick = 0xffff_ffff;
  both.host.host.setSource('null:a', source(100));
  for (let i = 0; i < 100; i++) expect(await both.bad.receive()).toHaveLength(60);
  expect(both.host.ring('null:a', 'rx').interrupts).toBe(0);
  await both.expectUndisturbed();
});

describe('memory that goes away while it is in use', () => {
  test('DMA_UNMAP of the RAM that holds the CSB, while packets move both ways', async () => {
    const both = await Neighbours.start({ device: POLL });
    const { port, host, bad } = both;
    const { device } = port.ptnet.pci;
    await bad.create();
    const sending = flood(port, 'send');
    await until(() => sending.progress().sent > 10_000n);
    for (const { address, size } of bad.ram.parts) await device.dmaUnmap({ address, size });
    await both.expectLog(/the memory of its CSB was unmapped: stopped/);
    const then = host.packets('null:a', 'tx');
    await both.expectUndisturbed();
    // Nobody looks at what the guest goes on writing.
    expect(host.packets('null:a', 'tx')).toBe(then);
    expect(await port.ptnet.control(PTCTL.DELETE)).toBe(ENXIO);
    expect(await port.ptnet.control(PTCTL.CREATE)).toBe(EFAULT);
    sending.stop();
    await sending.done;
    for (const part of bad.ram.parts) await device.dmaMap(part, bad.ram.fd);
    await bad.create();
    expect(await bad.send(new Uint8Array(60))).toBe(true);
  });

  test('DMA_UNMAP of a page that has nothing to do with it changes nothing', async () => {
    const both = await Neighbours.start({ device: POLL });
    await strangeMaps(both);
    await both.bad.create();
    await both.port.ptnet.pci.device.dmaUnmap({ address: HIGH, size: 7n * PAGE });
    expect(await both.bad.send(new Uint8Array(60))).toBe(true);
    expect(both.host.warnings()).toEqual([]);
  });

  test('a memfd that holds the CSB is truncated: the host serves on', async () => {
    const both = await Neighbours.start({ device: POLL });
    const { port } = both;
    const { ptnet } = port;
    // Memory that this process does not map: a guest that cuts itself off would die of it here.
    const fd = memory(2n * PAGE);
    await ptnet.pci.device.dmaMap({ address: HIGH, size: 2n * PAGE }, fd);
    await ptnet.setCsb(HIGH, HIGH + PAGE);
    expect(await ptnet.control(PTCTL.CREATE)).toBe(0);
    const publish = (head: number) => {
      writeSync(fd, new Uint8Array(Uint32Array.of(head, head).buffer), 0, 8, 0);
    };
    for (let slot = 0; slot < 10; slot++) Object.assign(port.tx[0]!.shared.slot(slot), { len: 60, flags: 0 });
    publish(10);
    await until(() => both.host.packets('null:a', 'tx') === 10);
    ftruncateSync(fd, 0);
    await both.expectUndisturbed();
    await both.expectLog(/the memory of its CSB is gone/);
    expect(await ptnet.control(PTCTL.DELETE)).toBe(ENXIO);
    // It is let in again, with memory that is there.
    const { guestToHost, hostToGuest } = ptnet.csbPages;
    await ptnet.setCsb(guestToHost.address, hostToGuest.address);
    await both.bad.create();
    expect(await both.bad.send(new Uint8Array(60))).toBe(true);
  });

  test('a memfd that is truncated before CREATE, and one that is too short from the start', async () => {
    const both = await Neighbours.start({ device: POLL });
    const { ptnet } = both.port;
    const fd = memory(2n * PAGE);
    await ptnet.pci.device.dmaMap({ address: HIGH, size: 2n * PAGE }, fd);
    ftruncateSync(fd, 0);
    await ptnet.setCsb(HIGH, HIGH + PAGE);
    expect(await ptnet.control(PTCTL.CREATE)).toBe(0);
    await both.expectLog(/the memory of its CSB is gone/);
    await both.expectUndisturbed();
    const { device } = ptnet.pci;
    await device.dmaMap({ address: HIGH + 8n * PAGE, size: PAGE }, fd, { expectErrno: EINVAL });
  });
});

test('an interrupt eventfd that is full and would make the writer wait: nobody waits', async () => {
  const both = await Neighbours.start();
  const { fd } = both.port.rx[0]!.interrupt!;
  await both.bad.create();
  // A child's standard input loses O_NONBLOCK, and the flag is everybody's who has the descriptor: the host's, too.
  spawnSync('true', { stdio: [fd, 'ignore', 'ignore'] });
  expect(inspectFd(fd).nonblocking).toBe(false);
  writeSync(fd, new Uint8Array(BigUint64Array.of(0xffff_ffff_ffff_fffen).buffer));
  both.host.host.setSource('null:a', source(100));
  await until(() => both.host.packets('null:a', 'rx') === 100);
  await both.expectUndisturbed();
});

test('an interrupt that came while its vector had no eventfd comes when it gets one', async () => {
  const both = await Neighbours.start({ device: "{ port: 'null:a', policy: inline }" });
  const { port, bad } = both;
  await bad.create();
  const { device } = port.ptnet.pci;
  const rx = port.rx[0]!;
  rx.interrupt!.drain();
  await device.disableIrqs(2);
  both.host.host.setSource('null:a', source(3));
  await port.ptnet.kick(1);
  expect(both.host.packets('null:a', 'rx')).toBe(3);
  await device.attachIrqs(2, [rx.interrupt!.fd], 1);
  expect(rx.interrupt!.drain()).toBe(1);
  await device.attachIrqs(2, [rx.interrupt!.fd], 1);
  expect(rx.interrupt!.drain()).toBe(0);
});
