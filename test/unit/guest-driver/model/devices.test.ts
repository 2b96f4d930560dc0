// Bringing both devices up against the models of pci/: probe, BARs, MSI-X, registers in their order, and what is refused.
import { afterEach, describe, expect, test } from 'vitest';
import { GuestRam } from '../../../../guest-driver/model/guest-ram.ts';
import { Memdev } from '../../../../guest-driver/model/memdev.ts';
import { BusAddresses, type PciFunction } from '../../../../guest-driver/model/pci.ts';
import { GuestPort } from '../../../../guest-driver/model/port.ts';
import { Ptnet, type PtnetOptions } from '../../../../guest-driver/model/ptnet.ts';
import { closeFd, eventfdSignal, mapFd, memfdCreate } from '../../../../native/os.ts';
import { createMemdev, createPtnet, type PtnetBackend, type PtnetInfo } from '../../../../pci/index.ts';
import { FakeDevice, type FakeDeviceOptions } from './fake-device.ts';
import { makeRegion, writeNetmapIf } from './fake-region.ts';
import type { Answer, Request } from './fake-server.ts';

const SLOTS = 8;
const BAR_SIZE = 8192;
const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

const region = makeRegion(2, SLOTS);
writeNetmapIf(region, 1, 1);

function memdevFor(options: FakeDeviceOptions = {}, memid = 5): FakeDevice {
  const fd = memfdCreate('region', BAR_SIZE);
  const mapping = mapFd(fd, { length: BAR_SIZE, writable: true });
  new Uint8Array(mapping.buffer).set(new Uint8Array(region.buffer));
  mapping.unmap();
  const pools = { if: region.ifPool, ring: region.ringPool, buf: region.bufPool };
  const info = { memsize: BigInt(BAR_SIZE), memid, barSize: BigInt(BAR_SIZE), pools };
  const device = new FakeDevice(createMemdev('mem', info), { regionFds: { 1: fd }, ...options });
  undo.push(() => {
    device.server.close();
    closeFd(fd);
  });
  return device;
}

/** A backend that writes down what it is asked. */
class FakeBackend implements PtnetBackend {
  readonly calls: string[] = [];
  readonly info: PtnetInfo;
  createResult = 0;

  constructor(info: Partial<PtnetInfo>) {
    const mac = Uint8Array.of(2, 0x80, 0xff, 3, 4, 5);
    const rings = { numTxRings: 1, numRxRings: 1, numTxSlots: SLOTS, numRxSlots: SLOTS };
    this.info = { mac, nifpOfs: 0, hostMemId: 5, features: 1, ...rings, ...info };
  }
  setFeatures(wanted: number): number {
    return wanted & 1;
  }
  setVnetHdrLen(wanted: number): number {
    return wanted;
  }
  create(csb: { guestToHost: bigint; hostToGuest: bigint }): number {
    this.calls.push(`create ${csb.guestToHost.toString(16)} ${csb.hostToGuest.toString(16)}`);
    return this.createResult;
  }
  delete(): number {
    this.calls.push('delete');
    return 0;
  }
  kick(ring: number): void {
    this.calls.push(`kick ${ring}`);
  }
}

function ptnetFor(options: FakeDeviceOptions & { bar0?: 'io' | 'mem'; info?: Partial<PtnetInfo> } = {}): {
  device: FakeDevice;
  backend: FakeBackend;
} {
  const backend = new FakeBackend(options.info ?? {});
  const device = new FakeDevice(createPtnet('net', backend, { bar0: options.bar0 ?? 'io' }), options);
  undo.push(() => device.server.close());
  return { device, backend };
}

async function plug({ pci }: FakeDevice): Promise<PciFunction> {
  await pci.probe();
  await pci.placeBars(new BusAddresses());
  await pci.enable();
  return pci;
}

function makeRam(split = false): GuestRam {
  const ram = new GuestRam(64 * 4096, { split });
  undo.push(() => ram.close());
  return ram;
}

async function attach(device: FakeDevice, options: PtnetOptions = {}, ram = makeRam()): Promise<Ptnet> {
  const ptnet = await Ptnet.attach(await plug(device), ram, options);
  undo.push(() => ptnet.close());
  return ptnet;
}

async function attachMemdev(device: FakeDevice): Promise<Memdev> {
  const memdev = await Memdev.attach(await plug(device));
  undo.push(() => memdev.close());
  return memdev;
}

/** Changes the answer to a read of config space as a whole. */
function spoilConfig(change: (config: Buffer) => void): NonNullable<FakeDeviceOptions['spoil']> {
  return ({ command, payload }, answer) => {
    if (command === 9 && payload.readUInt32LE(12) === 256) change((answer.payload as Buffer).subarray(16));
  };
}

describe('a PCI function', () => {
  test('is found by its ids, its BARs are sized and placed where they can be', async () => {
    const pci = await plug(memdevFor());
    expect(pci).toMatchObject({ vendorId: 0x1b36, deviceId: 0x000c, classCode: 0xff0000, msix: undefined });
    expect(pci.bars[0]).toMatchObject({ kind: 'io', size: 128n });
    expect(pci.bars[1]).toMatchObject({ kind: 'mem64', size: BigInt(BAR_SIZE), prefetchable: true });
    expect(pci.bars[1]!.address % BigInt(BAR_SIZE)).toBe(0n);
    expect(await pci.readConfig32(0x10)).toBe(Number(pci.bars[0]!.address) | 1);
    const high = BigInt(await pci.readConfig32(0x18));
    const low = BigInt((await pci.readConfig32(0x14)) & ~0xf);
    expect((high << 32n) | low).toBe(pci.bars[1]!.address);
    expect((await pci.readConfig16(4)) & 7).toBe(7);
    await pci.disable();
    expect((await pci.readConfig16(4)) & 7).toBe(0);
  });

  test('is refused when a BAR and its region differ in size', async () => {
    const spoil = ({ command, payload }: Request, answer: NonNullable<Answer>) => {
      if (command === 5 && payload.readUInt32LE(8) === 0) (answer.payload as Buffer).writeUInt32LE(64, 16);
    };
    await expect(plug(memdevFor({ spoil }))).rejects.toThrow(
      'fake: BAR 0: 128 bytes in config space, 64 as a region',
    );
  });

  test('is refused when its capabilities go in a circle', async () => {
    const spoil = spoilConfig((config) => {
      config[config[0x34]! + 1] = config[0x34]!;
    });
    await expect(plug(ptnetFor({ spoil }).device)).rejects.toThrow(/capability at \d+: want each once/);
  });

  test('two functions on one bus never share an address', () => {
    const bus = new BusAddresses();
    const ranges = [4096n, 64n, 1n << 20n, 64n].map((size) => ({ size, at: bus.place('mem32', size) }));
    for (const [i, { size, at }] of ranges.entries()) {
      expect(at % size).toBe(0n);
      for (const other of ranges.slice(i + 1)) expect(other.at).toBeGreaterThanOrEqual(at + size);
    }
  });
});

describe('the memory device', () => {
  test('tells its pools and maps the region', async () => {
    const memdev = await attachMemdev(memdevFor());
    expect(memdev).toMatchObject({
      memsize: BAR_SIZE,
      memid: 5,
      ringPool: region.ringPool,
      bufPool: region.bufPool,
    });
    expect(new Uint8Array(memdev.buffer, 0, region.memsize)).toEqual(new Uint8Array(region.buffer));
    const { buffer } = memdev;
    memdev.close();
    expect(buffer.byteLength).toBe(0);
    expect(() => memdev.buffer).toThrow('the device is closed');
  });

  test('is refused without a descriptor to map', async () => {
    await expect(attachMemdev(memdevFor({ regionFds: {} }))).rejects.toThrow('region 1 cannot be mapped');
  });

  test('is refused when a pool leaves the region', async () => {
    const spoil = ({ command, payload }: Request, answer: NonNullable<Answer>) => {
      const isBufCount = command === 9 && payload.readUInt32LE(8) === 0 && payload.readUInt32LE(0) === 92;
      if (isBufCount) (answer.payload as Buffer).writeUInt32LE(1000, 16);
    };
    await expect(attachMemdev(memdevFor({ spoil }))).rejects.toThrow('pool of 1000 x 64 bytes at 3072');
  });

  test('is not mistaken for a network device, nor the other way round', async () => {
    await expect(attachMemdev(ptnetFor().device)).rejects.toThrow('want a memory device, 1b36:000c');
    await expect(attach(memdevFor())).rejects.toThrow('want a network device, 1b36:000d');
  });
});

describe('the network device', () => {
  test('negotiates, reads its registers, gives the CSB', async () => {
    const { device } = ptnetFor();
    const ptnet = await attach(device, { features: 3, vnetHdrLen: 12 });
    expect(ptnet).toMatchObject({ features: 1, vnetHdrLen: 12, hostMemId: 5, nifpOfs: 0, numTxSlots: SLOTS });
    expect([...ptnet.mac]).toEqual([2, 0x80, 0xff, 3, 4, 5]);
    const { guestToHost, hostToGuest } = ptnet.csbPages;
    expect(guestToHost.address).not.toBe(hostToGuest.address);
    expect(device.writes(0)).toEqual([
      [0, 3],
      [44, 12],
      [52, 0],
      [56, Number(guestToHost.address)],
      [60, 0],
      [64, Number(hostToGuest.address)],
    ]);
  });

  test('a CSB above 4G takes both registers', async () => {
    const { device, backend } = ptnetFor();
    const ptnet = await attach(device, { highCsb: true }, makeRam(true));
    await ptnet.create();
    const { guestToHost, hostToGuest } = ptnet.csbPages;
    expect(guestToHost.address).toBeGreaterThanOrEqual(1n << 32n);
    expect(backend.calls).toEqual([
      `create ${guestToHost.address.toString(16)} ${hostToGuest.address.toString(16)}`,
    ]);
  });

  test('MSI-X is enabled in the order of the specification', async () => {
    const { device } = ptnetFor();
    const ptnet = await attach(device);
    expect(ptnet.msix.interrupts).toHaveLength(2);
    // flags, index, start, count, descriptors
    const seen = device.server.requests
      .filter(({ command }) => command === 8)
      .map(({ payload, fds }) => [4, 8, 12, 16].map((at) => payload.readUInt32LE(at)).concat(fds.length));
    expect(seen).toEqual([
      [36, 2, 0, 1, 0],
      [33, 2, 0, 0, 0],
      [36, 2, 0, 1, 1],
      [33, 2, 0, 0, 0],
      [36, 2, 0, 1, 1],
      [36, 2, 1, 1, 1],
    ]);
    expect((await device.pci.readConfig16(device.pci.msix!.offset + 2)) & 0x8000).toBe(0x8000);
    await ptnet.msix.disable();
    expect((await device.pci.readConfig16(device.pci.msix!.offset + 2)) & 0x8000).toBe(0);
  });

  test('more vectors than the device has are refused', async () => {
    await expect(attach(ptnetFor().device, { vectors: 3 })).rejects.toThrow(
      'want 3 vectors, have 2 in the capability',
    );
  });

  test('CREATE starts with interrupts wanted by RX rings only, DELETE ends it', async () => {
    const { device, backend } = ptnetFor();
    const ptnet = await attach(device);
    ptnet.csb.atok(0).applNeedKick = 1;
    await ptnet.create();
    expect(ptnet.created).toBe(true);
    expect([0, 1].map((ring) => ptnet.csb.atok(ring).applNeedKick)).toEqual([0, 1]);
    await ptnet.delete();
    expect(backend.calls.at(-1)).toBe('delete');
    expect(ptnet.created).toBe(false);
  });

  test('an errno of PTCTL is an error with its name', async () => {
    const { device, backend } = ptnetFor();
    backend.createResult = 16;
    const ptnet = await attach(device);
    await expect(ptnet.create()).rejects.toMatchObject({
      message: 'fake: CREATE: refused with EBUSY',
      errno: 16,
    });
    expect(ptnet.created).toBe(false);
    await expect(ptnet.delete()).rejects.toMatchObject({ code: 'ENXIO' });
    expect(await ptnet.control(99)).toBe(22);
  });

  test.each([
    ['io', 0],
    ['mem', 0x10],
  ] as const)('doorbells in %s space', async (bar0, flags) => {
    const { device, backend } = ptnetFor({ bar0 });
    const ptnet = await attach(device);
    await ptnet.create();
    await ptnet.kick(1);
    // A posted write has no reply: the next answered request comes after it.
    await ptnet.readRegister(0);
    expect(backend.calls.at(-1)).toBe('kick 1');
    const doorbell = device.server.requests.find(
      ({ command, payload }) => command === 10 && payload.readUInt32LE(0) === 132,
    );
    expect(doorbell!.flags).toBe(flags);
    expect(ptnet.doorbellWaits).toBe(bar0 === 'io');
  });

  test('detach() deletes, takes the CSB and MSI-X back and disables the function', async () => {
    const { device, backend } = ptnetFor();
    const ptnet = await attach(device);
    await ptnet.create();
    await ptnet.detach();
    expect(backend.calls.filter((call) => call === 'delete')).toHaveLength(1);
    expect(device.writes(0).slice(-4)).toEqual([
      [52, 0],
      [56, 0],
      [60, 0],
      [64, 0],
    ]);
    expect(ptnet.msix.enabled).toBe(false);
    expect((await device.pci.readConfig16(4)) & 7).toBe(0);
  });

  test('the CSB pages go back to RAM when it is closed', async () => {
    const ram = new GuestRam(4 * 4096);
    undo.push(() => ram.close());
    for (let i = 0; i < 3; i++) {
      const ptnet = await Ptnet.attach(await plug(ptnetFor().device), ram);
      ptnet.close();
    }
    expect(ram.allocate(3).address).toBe(4096n);
  });
});

describe('a port', () => {
  async function open(info: Partial<PtnetInfo> = {}): Promise<GuestPort> {
    const memdev = await attachMemdev(memdevFor());
    return new GuestPort(await attach(ptnetFor({ info }).device), memdev);
  }

  test('opens the rings that netmap_if leads to', async () => {
    const port = await open();
    expect(port.netmapIf.name).toBe('fake0');
    expect(
      [port.tx, port.rx].map((rings) => rings.map(({ index, shared }) => [index, shared.offset])),
    ).toEqual([[[0, region.ringOffset(0)]], [[1, region.ringOffset(1)]]]);
  });

  test.each([
    ['another memory id', { hostMemId: 6 }, 'HOSTMEMID 6: the memory device has 5'],
    [
      'another number of rings',
      { numTxRings: 2 },
      'netmap_if has 1 TX and 1 RX rings, the registers 2 and 1',
    ],
    ['another number of slots', { numRxSlots: 16 }, 'rx ring 0 has 8 slots, the registers say 16'],
    ['a netmap_if outside', { nifpOfs: BAR_SIZE - 8 }, 'netmap_if at 8184'],
    ['no netmap_if there', { nifpOfs: 512 }, 'netmap_if at 512: version 0: want 14 or 15'],
  ])('%s is refused', async (_, info, message) => {
    await expect(open(info)).rejects.toThrow(message);
  });

  test('takes the rings from the CSB after CREATE', async () => {
    const port = await open();
    const ktoa = port.ptnet.csb.ktoa(0);
    ktoa.hwtail = SLOTS - 1;
    await port.create();
    expect(port.tx[0]!.available()).toBe(SLOTS - 1);
  });

  test('send() gives up when there is no room in time, receive() when there is nothing', async () => {
    const port = await open();
    await port.create();
    expect(await port.send(new Uint8Array(60), { timeoutMs: 5 })).toBe(false);
    expect(port.ptnet.csb.atok(0).applNeedKick).toBe(1);
    expect(await port.receive({ timeoutMs: 5 })).toBeUndefined();
  });

  test('send() waits for the interrupt that room raises', async () => {
    const port = await open();
    await port.create();
    const sent = port.send(new Uint8Array(60));
    port.ptnet.csb.ktoa(0).hwtail = SLOTS - 1;

    eventfdSignal(port.tx[0]!.interrupt!.fd);
    expect(await sent).toBe(true);
    expect(port.ptnet.csb.atok(0).head).toBe(1);
  });
});
