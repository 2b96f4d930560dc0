// A ptnet device in service: what the device model and the session ask of it, with a broker that writes down what it is told.
import { existsSync, fstatSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { beforeEach, describe, expect, test } from 'vitest';
import { Complaints } from '../../../backend/complaints.ts';
import type { BindRequest, Broker } from '../../../backend/datapath/broker.ts';
import { ProtocolError } from '../../../backend/errors.ts';
import { HostedPtnet, type HostedPtnetOptions } from '../../../backend/hosted-ptnet.ts';
import { DmaTable } from '../../../backend/vfio-user/dma.ts';
import type { Session } from '../../../backend/vfio-user/session.ts';
import { closeFd, eventfd, memfdCreate } from '../../../native/os.ts';
import type { Port } from '../../../native/ports.ts';
import { PTCTL, PTNET } from '../../../pci/index.ts';
import { type LogLine, recordingLog } from '../../protocol/recording.ts';
import { read, write } from '../pci/guest.ts';

const { EBUSY, EDQUOT, EFAULT, EINVAL, EIO, ENXIO, EOPNOTSUPP } = constants.errno;
const RINGS = 3;
const RAM = 0x10_0000n;
const RAM_SIZE = 0x1_0000n;
const CSB = { guestToHost: RAM + 0x1000n, hostToGuest: RAM + 0x3000n };
const CSB_BYTES = BigInt(64 * RINGS);

class FakeAttachment {
  readonly calls: unknown[][] = [];
  csbLost = false;
  setInterrupts = (first: number, fds: number[]) => void this.calls.push(['interrupts', first, fds]);
  setDoorbells = (fds: number[]) => void this.calls.push(['doorbells', fds]);
  ring = (ring: number) => void this.calls.push(['ring', ring]);
  sync = (ring: number) => void this.calls.push(['sync', ring]);
  dropped = 0;
  drop = (): void => {
    this.dropped++;
  };
}

class FakeBroker {
  readonly table = new Map<string, { attachment: FakeAttachment; policy: object }>();
  readonly requests: BindRequest[] = [];
  unbound = 0;
  refuse: Error | undefined;
  bind(request: BindRequest): void {
    if (this.refuse) throw this.refuse;
    this.requests.push(request);
    this.table.set(request.device, { attachment: new FakeAttachment(), policy: request.policy });
  }
  /** How many doorbells may be had as eventfds. */
  eventfdsMax = 100;
  eventfds(_session: number, count: number): number[] {
    return count > this.eventfdsMax ? [] : Array.from({ length: count }, () => eventfd());
  }
  unbind(device: string): void {
    this.unbound++;
    this.table.delete(device);
  }
}

let broker: FakeBroker;
let lines: LogLine[];
let hosted: HostedPtnet;
let session: Session;

function make(options: Partial<HostedPtnetOptions> = {}): HostedPtnet {
  const port = {
    rings: RINGS,
    region: { info: { lost: false } },
    info: { txRings: 2, rxRings: 1, txSlots: 64, rxSlots: 32, nifpOfs: 4096 },
  };
  return new HostedPtnet(
    {
      name: 'vm1/net0',
      port: port as unknown as Port,
      memid: 7,
      mac: Uint8Array.of(2, 0, 0, 0, 1, 0),
      policy: { policy: 'adaptive', spinUs: 50 },
      bar0: 'io',
      ids: '1b36:000c',
      complaints: new Complaints(recordingLog(lines), 'vm1/net0'),
      vnetHdr: true,
      ...options,
    },
    broker as unknown as Broker,
  );
}

beforeEach(() => {
  broker = new FakeBroker();
  lines = [];
  hosted = make();
  const dma = new DmaTable();
  const msix = Array.from({ length: RINGS + 1 }, (_, i) => ({ fd: 100 + i, masked: i === 1 }));
  session = { id: 5, dma, irqs: { msix } } as unknown as Session;
  dma.map({ address: RAM, size: RAM_SIZE, flags: 3, offset: 0n }, memfdCreate('ram', Number(RAM_SIZE)));
});

const texts = (): string[] => lines.map(({ text }) => text);
const attachment = (): FakeAttachment => broker.table.get('vm1/net0')!.attachment;

/** As a driver does; the result of CREATE. */
function start({ guestToHost, hostToGuest } = CSB): number {
  for (const [high, low, address] of [
    [PTNET.IO_CSB_GH_BAH, PTNET.IO_CSB_GH_BAL, guestToHost],
    [PTNET.IO_CSB_HG_BAH, PTNET.IO_CSB_HG_BAL, hostToGuest],
  ] as const) {
    write(hosted.device, high, Number(address >> 32n));
    write(hosted.device, low, Number(address & 0xffff_ffffn));
  }
  write(hosted.device, PTNET.IO_PTCTL, PTCTL.CREATE);
  return read(hosted.device, PTNET.IO_PTCTL);
}

test('the device shows the port', () => {
  expect(hosted.info).toEqual({
    mac: Uint8Array.of(2, 0, 0, 0, 1, 0),
    nifpOfs: 4096,
    numTxRings: 2,
    numRxRings: 1,
    numTxSlots: 64,
    numRxSlots: 32,
    hostMemId: 7,
    features: 1,
  });
  expect(hosted.regionFd()).toBeUndefined();
  expect(make({ bar0: 'mem' }).device.bars[0]?.size).toBe(4096);
});

describe('the virtio-net header', () => {
  const ask = (features: number, length: number): number[] => {
    write(hosted.device, PTNET.IO_PTFEAT, features);
    write(hosted.device, PTNET.IO_VNET_HDR_LEN, length);
    return [read(hosted.device, PTNET.IO_PTFEAT), read(hosted.device, PTNET.IO_VNET_HDR_LEN)];
  };
  const created = (): number => {
    expect(start()).toBe(0);
    write(hosted.device, PTNET.IO_PTCTL, PTCTL.DELETE);
    return broker.requests.at(-1)!.vnetHdrLen;
  };

  test('is what the guest has asked for when it creates its rings', () => {
    hosted.onAttach(session);
    expect(created()).toBe(0);
    expect(ask(1, 12)).toEqual([1, 12]);
    expect(created()).toBe(12);
    expect(ask(1, 10)).toEqual([1, 10]);
    expect(created()).toBe(10);
    expect(ask(1, 0)).toEqual([1, 0]);
    expect(created()).toBe(0);
  });

  test('is there only with the feature', () => {
    hosted.onAttach(session);
    expect(ask(0, 12)).toEqual([0, 0]);
    expect(ask(1, 12)).toEqual([1, 12]);
    write(hosted.device, PTNET.IO_PTFEAT, 0);
    expect(read(hosted.device, PTNET.IO_VNET_HDR_LEN)).toBe(0);
    expect(created()).toBe(0);
  });

  test('is not offered when the configuration says so', () => {
    hosted = make({ vnetHdr: false });
    hosted.onAttach(session);
    expect(ask(1, 12)).toEqual([0, 0]);
    expect(created()).toBe(0);
  });
});

describe('CREATE', () => {
  test('binds the port to the CSB, the interrupts and the doorbells', () => {
    hosted.onAttach(session);
    const doorbells = hosted.ioFds(0).map(({ fd }) => fd);
    expect(start()).toBe(0);
    const fd = session.dma.maps[0]!.fd;
    expect(broker.requests).toEqual([
      {
        device: 'vm1/net0',
        port: hosted.options.port,
        session: 5,
        csb: { guestToHost: { fd, offset: 0x1000n }, hostToGuest: { fd, offset: 0x3000n } },
        vectors: session.irqs.msix,
        doorbells,
        policy: { policy: 'adaptive', spinUs: 50 },
        vnetHdrLen: 0,
        plain: true,
      },
    ]);
    expect(texts()).toEqual([]);
    hosted.onDetach();
  });

  test('without a client there is no memory to find a CSB in', () => {
    expect(start()).toBe(ENXIO);
    hosted.onAttach(session);
    hosted.onDetach();
    expect(start()).toBe(ENXIO);
    expect(broker.requests).toEqual([]);
  });

  test.each([
    [{ ...CSB, guestToHost: RAM + 32n }, EINVAL, 'guest-to-host CSB at 0x100020: not aligned'],
    [{ ...CSB, hostToGuest: RAM + 63n }, EINVAL, 'host-to-guest CSB at 0x10003f: not aligned'],
    [{ ...CSB, guestToHost: 64n }, EFAULT, 'guest-to-host CSB at 0x40: nothing is mapped there'],
    [
      { ...CSB, hostToGuest: RAM + RAM_SIZE - 128n },
      EFAULT,
      'host-to-guest CSB at 0x10ff80: its 192 bytes run',
    ],
    [{ ...CSB, hostToGuest: 0x80_0000_0000n }, EOPNOTSUPP, 'came without a descriptor'],
  ])('refuses what cannot be reached, %#', (csb, errno, text) => {
    hosted.onAttach(session);
    session.dma.map({ address: 0x80_0000_0000n, size: 0x1000n, flags: 3, offset: 0n }, undefined);
    expect(start(csb)).toBe(errno);
    expect(texts()).toEqual([expect.stringContaining(text)]);
    expect(texts()[0]).toMatch(/^vm1\/net0: CREATE: /);
    expect([broker.requests, texts().length]).toEqual([[], 1]);
  });

  test('an array that just fits is fine', () => {
    hosted.onAttach(session);
    expect(start({ guestToHost: RAM, hostToGuest: RAM + RAM_SIZE - CSB_BYTES })).toBe(0);
  });

  test.each([
    [Object.assign(new Error('null:a: in use'), { errno: -EBUSY }), EBUSY],
    [new Error('broken'), EIO],
  ])('passes on what the broker refuses: %s', (error, errno) => {
    hosted.onAttach(session);
    broker.refuse = error;
    expect(start()).toBe(errno);
    expect(texts()).toEqual([`vm1/net0: CREATE: ${error.message}`]);
    expect(lines[0]?.fields.err).toBe(error);
  });

  test('a guest that goes on asking gets few lines in the log', () => {
    hosted.onAttach(session);
    for (let i = 0; i < 1000; i++) start({ ...CSB, guestToHost: BigInt(64 * i) + 64n });
    expect(texts()).toHaveLength(4);
  });
});

test('DELETE unbinds, and lets go at once of what was mapped', () => {
  hosted.onAttach(session);
  start();
  const served = attachment();
  write(hosted.device, PTNET.IO_PTCTL, PTCTL.DELETE);
  expect(read(hosted.device, PTNET.IO_PTCTL)).toBe(0);
  expect(broker.unbound).toBe(1);
  expect(served.dropped).toBe(1);
  hosted.onDmaUnmap(session.dma, RAM, RAM_SIZE);
  expect(texts()).toEqual([]);
});

describe('memory that goes away', () => {
  const { guestToHost, hostToGuest } = CSB;
  test.each([
    ['all of it', RAM, RAM_SIZE, true],
    ['the first byte of the first array', guestToHost, 1n, true],
    ['its last byte', guestToHost + CSB_BYTES - 1n, 1n, true],
    ['the last byte of the second', hostToGuest + CSB_BYTES - 1n, 0x100n, true],
    ['what is before them', RAM, 0x1000n, false],
    ['what is between them', guestToHost + CSB_BYTES, hostToGuest - guestToHost - CSB_BYTES, false],
    ['what is behind them', hostToGuest + CSB_BYTES, 0x1000n, false],
  ])('%s', (_what, address, size, stops) => {
    hosted.onAttach(session);
    start();
    hosted.onDmaUnmap(session.dma, address, size);
    expect(hosted.device.serving).toBe(!stops);
    expect(broker.unbound).toBe(stops ? 1 : 0);
    expect(texts()).toEqual(stops ? ['vm1/net0: the memory of its CSB was unmapped: stopped'] : []);
  });

  test('a file that was cut short', () => {
    hosted.checkCsb();
    hosted.onAttach(session);
    start();
    hosted.checkCsb();
    expect(hosted.device.serving).toBe(true);
    attachment().csbLost = true;
    hosted.checkCsb();
    expect([hosted.device.serving, broker.unbound]).toEqual([false, 1]);
    expect(texts()).toEqual(['vm1/net0: the memory of its CSB is gone, its file is shorter now: stopped']);
  });
});

describe('doorbells', () => {
  test.each([
    ['adaptive', [['ring', 2]]],
    [
      'inline',
      [
        ['ring', 2],
        ['sync', 2],
      ],
    ],
  ] as const)('one that comes through the device, with policy %s', (policy, calls) => {
    hosted = make({ policy: { policy, spinUs: 0 } });
    hosted.kick(2);
    hosted.onAttach(session);
    start();
    write(hosted.device, PTNET.KICK_BASE + 8, 1);
    expect(attachment().calls).toEqual(calls);
  });

  test('as eventfds: one for each ring, the same ones again, closed with the session', async () => {
    hosted.onAttach(session);
    start();
    const fds = hosted.ioFds(0);
    expect(fds.map(({ offset, size }) => [offset, size])).toEqual([
      [128, 4],
      [132, 4],
      [136, 4],
    ]);
    expect(hosted.ioFds(0)).toEqual(fds);
    expect(attachment().calls).toEqual([['doorbells', fds.map(({ fd }) => fd)]]);
    for (const { fd } of fds) expect(() => fstatSync(fd)).not.toThrow();
    hosted.onDetach();
    const isOpen = (fd: number): boolean =>
      existsSync(`/proc/self/fd/${fd}`) && readlinkSync(`/proc/self/fd/${fd}`).includes('eventfd');
    await expect.poll(() => fds.filter(({ fd }) => isOpen(fd))).toEqual([]);
    expect(broker.unbound).toBe(1);
  });

  test('of other regions there are none, none with policy inline, and none that are too few', () => {
    expect(hosted.ioFds(0)).toEqual([]);
    hosted.onAttach(session);
    expect(hosted.ioFds(2)).toEqual([]);
    broker.eventfdsMax = 2;
    expect(hosted.ioFds(0)).toEqual([]);
    expect(make({ policy: { policy: 'inline', spinUs: 0 } }).ioFds(0)).toEqual([]);
  });
});

test('interrupts that change while it is served are wired again, as far as there are rings', () => {
  hosted.onInterruptsChanged(0, 4);
  hosted.onAttach(session);
  hosted.onInterruptsChanged(0, 4);
  start();
  hosted.onInterruptsChanged(1, 1);
  hosted.onInterruptsChanged(0, 4);
  hosted.onInterruptsChanged(2, 9);
  hosted.onInterruptsChanged(3, 1);
  expect(attachment().calls).toEqual([
    ['interrupts', 1, [-1]],
    ['interrupts', 0, [100, -1, 102]],
    ['interrupts', 2, [102]],
  ]);
});

test('interrupts that cannot be had, for want of descriptors, are the client’s error', () => {
  hosted.onAttach(session);
  start();
  attachment().setInterrupts = () => {
    throw Object.assign(new Error('null:a: interrupt: too many'), { errno: -EDQUOT });
  };
  expect(() => hosted.onInterruptsChanged(0, 1)).toThrow(
    new ProtocolError(EDQUOT, 'null:a: interrupt: too many'),
  );
});

test('the descriptor of the RAM stays the session’s', () => {
  const { fd } = session.dma.maps[0]!;
  hosted.onAttach(session);
  start();
  hosted.onDetach();
  expect(() => fstatSync(fd)).not.toThrow();
  session.dma.clear();
  expect(() => closeFd(fd)).toThrow();
});
