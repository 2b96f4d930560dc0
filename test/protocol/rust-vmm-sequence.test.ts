// A session of rust-vmm's vfio-user client, as Cloud Hypervisor drives it, byte by byte. It reads each answer with the length that
// it expects and looks at no errno: an answer of another length leaves it waiting, or out of step, for ever.
import { expect, test } from 'vitest';
import { eventfdDrain, inspectFd } from '../../native/os.ts';
import { createPtnet } from '../../pci/index.ts';
import { fakeBackend } from '../unit/pci/guest.ts';
import { BAR1_SIZE, memdev, memoryHooks } from './memdev.ts';
import { type Peer, useFixture } from './peer.ts';

const fixture = useFixture();

const u32 = (...values: number[]): number[] => [
  ...new Uint8Array(new Uint32Array(values.map((value) => value >>> 0)).buffer),
];
const u64 = (...values: bigint[]): number[] => [...new Uint8Array(BigUint64Array.from(values).buffer)];

/** Its ids count from 0. */
class RustVmm {
  readonly peer: Peer;
  #id = 0;

  constructor(peer: Peer) {
    this.peer = peer;
  }

  /** The answer's payload and descriptors; `length` is what the client reads, header included. */
  send(command: number, payload: number[], length: number, fds: readonly number[] = []) {
    const header = [this.#id & 0xff, this.#id >> 8, command, 0, ...u32(16 + payload.length, 0, 0)];
    this.peer.raw(Uint8Array.from([...header, ...payload]), fds);
    const answers = this.peer.takeAnswers();
    expect(answers).toHaveLength(1);
    const { bytes, fds: received } = answers[0]!;
    expect([...bytes.subarray(0, 16)]).toEqual([...header.slice(0, 4), ...u32(length, 1, 0)]);
    expect(bytes).toHaveLength(length);
    this.#id += 1;
    return { payload: bytes.subarray(16), view: new DataView(bytes.buffer, bytes.byteOffset + 16), received };
  }

  negotiate(): void {
    const json =
      '{"capabilities":{"max_msg_fds":1,"max_data_xfer_size":1048576,"migration":{"pgsize":4096}}}\0';
    const text = [...new TextEncoder().encode(json)];
    const version = [0, 0, 1, 0, ...text];
    this.peer.raw(Uint8Array.from([0, 0, 1, 0, ...u32(16 + version.length, 0, 0), ...version]));
    const { bytes } = this.peer.takeAnswers()[0]!;
    // Cuts the last byte off, takes the rest for JSON, and wants the key 'capabilities' in it.
    const answer = JSON.parse(new TextDecoder().decode(bytes.subarray(20, -1)));
    expect(bytes.at(-1)).toBe(0);
    expect(answer.capabilities).toMatchObject({ max_msg_fds: 16, max_data_xfer_size: 1 << 20 });
    this.#id = 1;
  }

  /** argsz counts the header here, and only here. */
  deviceInfo(): { regions: number; irqs: number; flags: number } {
    const { view } = this.send(4, u32(32, 0, 0, 0), 32);
    return {
      flags: view.getUint32(4, true),
      regions: view.getUint32(8, true),
      irqs: view.getUint32(12, true),
    };
  }

  region(index: number) {
    const { view, received } = this.send(5, [...u32(32, 0, index, 0), ...u64(0n, 0n)], 48);
    expect(view.getUint32(0, true)).toBe(32);
    return { flags: view.getUint32(4, true), size: Number(view.getBigUint64(16, true)), received };
  }

  read(region: number, offset: number, count: number): number {
    const { view } = this.send(9, [...u64(BigInt(offset)), ...u32(region, count)], 32 + count);
    if (count === 4) return view.getUint32(16, true);
    return count === 2 ? view.getUint16(16, true) : view.getUint8(16);
  }

  write(region: number, offset: number, ...data: number[]): void {
    this.send(10, [...u64(BigInt(offset)), ...u32(region, data.length), ...data], 32);
  }

  dmaMap(address: bigint, size: bigint, offset: bigint, fd: number): void {
    this.send(2, [...u32(32, 3), ...u64(offset, address, size)], 16, [fd]);
  }

  dmaUnmap(address: bigint, size: bigint): void {
    this.send(3, [...u32(24, 0), ...u64(address, size)], 40);
  }

  irqInfo(index: number): number {
    return this.send(7, u32(16, 0, index, 0), 32).view.getUint32(12, true);
  }

  setIrqs(flags: number, start: number, count: number, fds: readonly number[] = []): void {
    this.send(8, u32(20, flags, 2, start, count), 16, fds);
  }
}

const CONFIG = 7;
const EVENTFD_TRIGGER = 4 | 32;
const NONE_TRIGGER = 1 | 32;

test('Cloud Hypervisor attaches a network device, and its guest enables MSI-X', () => {
  const backend = fakeBackend({ numTxRings: 16, numRxRings: 16 });
  const client = new RustVmm(fixture.connect({ device: createPtnet('vm1/net0', backend) }));
  client.negotiate();
  expect(client.deviceInfo()).toEqual({ flags: 3, regions: 9, irqs: 5 });
  const regions = Array.from({ length: 9 }, (_, index) => client.region(index));
  expect(regions.map(({ size }) => size)).toEqual([256, 0, 4096, 0, 0, 0, 0, 256, 0]);
  // Legacy interrupts, MSI, MSI-X: it asks for those that config space has a capability of.
  expect([0, 1, 2].map((index) => client.irqInfo(index))).toEqual([0, 0, 32]);
  expect(client.read(CONFIG, 0, 4)).toBe(0x000d_1b36);
  const capability = client.read(CONFIG, 0x34, 1);
  expect(client.read(CONFIG, capability, 1)).toBe(0x11);
  expect(client.read(CONFIG, capability + 2, 2) & 0x7ff).toBe(31);
  // The size of a BAR, by its register.
  client.write(CONFIG, 0x10, ...u32(0xffff_ffff));
  expect(client.read(CONFIG, 0x10, 4)).toBe(0xffff_ff01);
  client.write(CONFIG, 0x10, ...u32(0xc000));
  const ram = fixture.memfd(0x40_0000);
  client.dmaMap(0n, 0x40_0000n, 0n, ram);
  client.dmaMap(0x1_0000_0000n, 0x20_0000n, 0x20_0000n, ram);
  client.dmaUnmap(0x1_0000_0000n, 0x20_0000n);
  expect(client.peer.session.dma.resolve(0x20_0000n, 64, 'rw')).toMatchObject({ offset: 0x20_0000n });
  // Sixteen eventfds in each message, until all vectors have one.
  const fds = Array.from({ length: 32 }, () => fixture.eventfd());
  client.setIrqs(EVENTFD_TRIGGER, 0, 16, fds.slice(0, 16));
  client.setIrqs(EVENTFD_TRIGGER, 16, 16, fds.slice(16));
  client.setIrqs(NONE_TRIGGER, 0, 32);
  expect(fds.map((fd) => eventfdDrain(fd))).toEqual(new Array(32).fill(1n));
  client.setIrqs(NONE_TRIGGER, 0, 0);
  client.send(13, [], 16);
  expect(client.peer.counters).toEqual({});
});

test('Cloud Hypervisor maps the memory of the memory device', () => {
  const memory = fixture.memfd(BAR1_SIZE);
  const client = new RustVmm(fixture.connect({ device: memdev(), hooks: memoryHooks(memory) }));
  client.negotiate();
  expect(client.deviceInfo().regions).toBe(9);
  const { flags, size, received } = client.region(1);
  expect({ flags, size }).toEqual({ flags: 7, size: BAR1_SIZE });
  expect(received.map((fd) => inspectFd(fd).inode)).toEqual([inspectFd(memory).inode]);
});

test('it asks again with room for the capability, under the id that it has used already', () => {
  const hooks = memoryHooks(fixture.memfd(BAR1_SIZE), 0x3000);
  const { peer } = new RustVmm(fixture.connect({ device: memdev(), hooks }));
  new RustVmm(peer).negotiate();
  const ask = (argsz: number) => {
    const request = [9, 0, 5, 0, ...u32(48, 0, 0), ...u32(argsz, 0, 1, 0), ...u64(0n, 0n)];
    peer.raw(Uint8Array.from(request));
    const [{ bytes, fds }, ...more] = peer.takeAnswers() as [{ bytes: Uint8Array; fds: number[] }];
    expect(more).toEqual([]);
    return { bytes, fds, argsz: new DataView(bytes.buffer, bytes.byteOffset).getUint32(16, true) };
  };
  const first = ask(32);
  expect(first).toMatchObject({ argsz: 64, fds: [] });
  expect(first.bytes).toHaveLength(48);
  const second = ask(first.argsz);
  expect(second.argsz).toBe(64);
  // What is behind the fixed part is as long as argsz says.
  expect(second.bytes).toHaveLength(16 + 64);
  expect(second.fds).toHaveLength(1);
});
