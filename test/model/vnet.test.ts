// Guests with and without a virtio-net header on the two ends, against a live host: all four combinations over VALE, and a pipe.
import { afterEach, describe, expect, test } from 'vitest';
import { type Guest, openGuest } from '../../guest-driver/model/index.ts';
import { buildFrame, type FrameOptions, inspectFrame, vnetHeader } from '../harness/frames.ts';
import { TestHost } from '../harness/host.ts';
import { startReceiving } from '../harness/receiving.ts';

const MAC_A = Uint8Array.of(2, 0, 0, 0, 1, 0);
const MAC_B = Uint8Array.of(2, 0, 0, 0, 2, 0);
const VNET_HDR = 1;
const EINVAL = 22;
const hosts: TestHost[] = [];
const guests: Guest[] = [];

async function startHost(yaml: string): Promise<TestHost> {
  const host = await TestHost.start(yaml);
  hosts.push(host);
  return host;
}

/** As a driver that wants a header of so many bytes. */
async function open(host: TestHost, vm: string, vnetHdrLen: number): Promise<Guest> {
  const [memdev, ...ptnet] = host.sockets(vm);
  const features = vnetHdrLen > 0 ? VNET_HDR : 0;
  const guest = await openGuest({ memdev: memdev!, ptnet, features, vnetHdrLen });
  guests.push(guest);
  return guest;
}

async function attach(host: TestHost, vm: string, vnetHdrLen: number): Promise<Guest> {
  const guest = await open(host, vm, vnetHdrLen);
  expect(guest.ports[0]!.ptnet).toMatchObject({ vnetHdrLen });
  await guest.create();
  return guest;
}

async function receiveAll(guest: Guest): Promise<Uint8Array[]> {
  const packets: Uint8Array[] = [];
  for (let timeoutMs = 10_000; ; timeoutMs = 50) {
    const packet = await guest.receive({ timeoutMs });
    if (!packet) return packets;
    packets.push(packet);
  }
}

afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.close();
  for (const host of hosts.splice(0)) await host.close();
});

const payload = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i * 7 + (i >> 8));
const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

const SWITCH = `
vms:
  vm1: { devices: [{ port: 'vale0:1', mac: '02:00:00:00:01:00' }] }
  vm2: { devices: [{ port: 'vale0:2', mac: '02:00:00:00:02:00' }] }
`;
const FRAMES: [string, Omit<FrameOptions, 'dst' | 'src' | 'payload'>][] = [
  ['TCP over IPv4', { version: 4, protocol: 'tcp' }],
  ['TCP over IPv6', { version: 6, protocol: 'tcp' }],
  ['UDP over IPv4', { version: 4, protocol: 'udp' }],
  ['UDP over IPv6 with a tag', { version: 6, protocol: 'udp', vlan: 5 }],
];

describe.each(FRAMES)('%s over VALE', (_, options) => {
  const whole: FrameOptions = { ...options, dst: MAC_B, src: MAC_A, payload: payload(60_000) };
  const small: FrameOptions = { ...whole, payload: payload(333) };

  test.each([10, 12])('both with a header of %i bytes: untouched', async (length) => {
    const host = await startHost(SWITCH);
    const [a, b] = [await attach(host, 'vm1', length), await attach(host, 'vm2', length)];
    const packet = join(vnetHeader(whole, 1400, length), buildFrame({ ...whole, partial: true }));
    expect(await a.send(packet)).toBe(true);
    expect(await receiveAll(b)).toEqual([packet]);
  });

  test('from one with a header to one without: nothing is missing', async () => {
    const host = await startHost(SWITCH);
    const [a, b] = [await attach(host, 'vm1', 12), await attach(host, 'vm2', 0)];
    await a.send(join(vnetHeader(small, 0), buildFrame({ ...small, partial: true })));
    await a.send(join(vnetHeader(whole, 1400), buildFrame({ ...whole, partial: true })));
    const [first, ...segments] = (await receiveAll(b)).map((frame) => inspectFrame(frame));
    expect(first!.payload).toEqual(Buffer.from(small.payload));
    expect(Buffer.concat(segments.map((segment) => segment.payload))).toEqual(Buffer.from(whole.payload));
    segments.forEach((segment, i) => {
      const last = i + 1 === segments.length;
      expect(segment.payload.length).toBe(last ? 60_000 % 1400 : 1400);
      if (options.version === 4) expect(segment.id).toBe((0xfffe + i) & 0xffff);
      if (options.protocol !== 'tcp') return;
      expect(segment.seq).toBe((0xffff_f000 + 1400 * i) % 2 ** 32);
      expect(segment.flags).toBe(last ? 0x19 : 0x10);
    });
    expect(host.drops('vale0:2', 'rx') + host.drops('vale0:1', 'tx')).toBe(0);
  });

  test('from one without a header to one with one: an empty one is added', async () => {
    const host = await startHost(SWITCH);
    const [a, b] = [await attach(host, 'vm1', 0), await attach(host, 'vm2', 12)];
    const frame = buildFrame(small);
    await a.send(frame);
    expect(await receiveAll(b)).toEqual([join(new Uint8Array(12), frame)]);
  });

  test('both without: nothing is offered when the file says so', async () => {
    const host = await startHost(`switches: { vale0: { vnet-hdr: false } }${SWITCH}`);
    const refused = await open(host, 'vm1', 12);
    expect(refused.ports[0]!.ptnet).toMatchObject({ features: 0, vnetHdrLen: 0 });
    await refused.create();
    const b = await attach(host, 'vm2', 0);
    await refused.send(buildFrame(small));
    expect(await receiveAll(b)).toEqual([Uint8Array.from(buildFrame(small))]);
  });
});

describe.each([
  [60, 1],
  [1514, 2],
  [60_000, 33],
])('loops: packets of %i bytes in %i slots', (size, frags) => {
  test.each([
    [12, 12],
    [10, 12],
    [12, 0],
    [0, 12],
    [0, 0],
  ])('headers of %i and %i bytes', async (first, second) => {
    const host = await startHost(SWITCH);
    const [a, b] = [await attach(host, 'vm1', first), await attach(host, 'vm2', second)];
    const count = 2000n;
    const options = { payload: 'full', sleep: true } as const;
    const receiving = await startReceiving(host, 'vale0:2', b);
    const sending = await a.ports[0]!.startLoop({ op: 'send', count, size, frags, dst: MAC_B, ...options });
    expect((await sending.done).sent.packets).toBe(count);
    const received = await receiving.all(Number(count), () => host.ring('vale0:2', 'rx').drops.full);
    expect(received).toMatchObject({ late: 0n, corrupt: 0n });
    expect(received.packets).toBeGreaterThan(0n);
    expect(received.bytes).toBe(received.packets * BigInt(size + second));
  });
});

test('segments are cut to the mtu of the receiver', async () => {
  const host = await startHost(`ports: { 'vale0:2': { mtu: 1000 } }${SWITCH}`);
  const [a, b] = [await attach(host, 'vm1', 12), await attach(host, 'vm2', 0)];
  const whole: FrameOptions = { dst: MAC_B, src: MAC_A, payload: payload(9000) };
  await a.send(join(vnetHeader(whole, 1460), buildFrame({ ...whole, partial: true })));
  const segments = (await receiveAll(b)).map((frame) => inspectFrame(frame));
  expect(segments.map(({ ipLength }) => ipLength)).toEqual([...Array(9).fill(1000), 9000 - 9 * 960 + 40]);
  const udp: FrameOptions = { ...whole, protocol: 'udp' };
  await a.send(join(vnetHeader(udp, 1000), buildFrame({ ...udp, partial: true })));
  await a.send(join(new Uint8Array(12), buildFrame({ ...whole, payload: payload(5) })));
  expect((await receiveAll(b)).map((frame) => inspectFrame(frame).payload.length)).toEqual([5]);
  expect(host.ring('vale0:2', 'rx').drops['too-long']).toBe(1);
});

test.each([
  [12, 0],
  [12, 12],
  [10, 12],
])(
  'a header that lies is counted at its sender, and named in the log: from %i to %i bytes',
  async (from, to) => {
    const host = await startHost(SWITCH);
    const [a, b] = [await attach(host, 'vm1', from), await attach(host, 'vm2', to)];
    const frame: FrameOptions = { dst: MAC_B, src: MAC_A, payload: payload(3000) };
    const lie = vnetHeader(frame, 1000, from);
    lie[1] = 0x40;
    await a.send(join(lie, buildFrame({ ...frame, partial: true })));
    expect(await b.receive({ timeoutMs: 100 })).toBeUndefined();
    expect(host.ring('vale0:1', 'tx').drops['bad-vnet']).toBe(1);
    expect(host.drops('vale0:2', 'rx')).toBe(0);
    await expect.poll(() => host.warnings().join(), { timeout: 10_000 }).toContain('vm1/net0');
  },
);

describe('a pipe', () => {
  const pipe = (vnetHdr: boolean) => `
regions: { lan: { id: 9, buf-num: 8192 } }
ports: { 'p{1': { vnet-hdr: ${vnetHdr} }, 'p}1': { vnet-hdr: ${vnetHdr} } }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }] }
  vm2: { region: lan, devices: [{ port: 'p}1' }] }
`;
  const whole: FrameOptions = { dst: MAC_B, src: MAC_A, payload: payload(60_000) };

  test('both with a header: untouched', async () => {
    const host = await startHost(pipe(true));
    const [a, b] = [await attach(host, 'vm1', 12), await attach(host, 'vm2', 12)];
    const packet = join(vnetHeader(whole, 1400), buildFrame({ ...whole, partial: true }));
    expect(await a.send(packet)).toBe(true);
    expect(await receiveAll(b)).toEqual([packet]);
  });

  test.each([
    [12, 0],
    [0, 12],
  ])('one with %i bytes and one with %i: the second one is refused, and told why', async (first, second) => {
    const host = await startHost(pipe(true));
    await attach(host, 'vm1', first);
    const b = await open(host, 'vm2', second);
    await expect(b.create()).rejects.toMatchObject({ errno: EINVAL });
    expect(host.warnings().join()).toContain('the same at both ends would be right');
  });

  test('both without: none is offered unless the file says so', async () => {
    const host = await startHost(pipe(false));
    const [a, b] = [await open(host, 'vm1', 12), await attach(host, 'vm2', 0)];
    expect(a.ports[0]!.ptnet).toMatchObject({ features: 0, vnetHdrLen: 0 });
    await a.create();
    const frame = buildFrame({ ...whole, payload: payload(100) });
    await a.send(frame);
    expect(await receiveAll(b)).toEqual([Uint8Array.from(frame)]);
  });
});

test('a null port counts and checks behind the header, and sends with one', async () => {
  const host = await startHost(`
ports: { 'null:a': { source: { packets: 3, size: 100, payload: full } } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }
`);
  const guest = await attach(host, 'vm1', 12);
  const packets = await receiveAll(guest);
  expect(packets.map(({ length }) => length)).toEqual([112, 112, 112]);
  for (const packet of packets) expect(packet.subarray(0, 12)).toEqual(new Uint8Array(12));
});
