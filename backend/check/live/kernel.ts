// Asks the kernel behind a tap or an interface: ARP, then ICMP echoes of every size, whose payload has to come back as it was sent.
import { macBytes } from '../../config/mac.ts';
import { type Finding, failed, pass } from '../finding.ts';
import { nameOf } from './reach.ts';
import type { KernelSide } from './sandbox.ts';
import { type ModelStation, pause } from './station.ts';
import type { Trial } from './trial.ts';

const WAIT_MS = 5000;
/** The kernel notices a carrier a moment after it is there. */
const ASK_EACH_MS = 100;
const ETHERNET = 14;
const IPV4 = 20;
const ICMP = 8;
/** A kernel pads no frame of a tap: the shortest echo has no payload. */
const SIZE_MIN = ETHERNET + IPV4 + ICMP;
const BATCH = 16;
const ETHERTYPE = { ARP: 0x0806, IPV4: 0x0800 };
const EVERYBODY = Uint8Array.from([255, 255, 255, 255, 255, 255]);

const ipBytes = (address: string): Uint8Array => Uint8Array.from(address.split('.').map(Number));

function ethernet(dst: Uint8Array, src: Uint8Array, type: number, payload: Uint8Array): Uint8Array {
  return Uint8Array.from([...dst, ...src, type >> 8, type & 0xff, ...payload]);
}

/** RFC 1071. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function arpRequest(mac: Uint8Array, own: string, address: string): Uint8Array {
  const head = [0, 1, 8, 0, 6, 4, 0, 1];
  const body = [...head, ...mac, ...ipBytes(own), 0, 0, 0, 0, 0, 0, ...ipBytes(address)];
  return ethernet(EVERYBODY, mac, ETHERTYPE.ARP, Uint8Array.from(body));
}

/** The address of who answers; undefined: it is another frame. */
function arpReply(frame: Uint8Array, address: string): Uint8Array | undefined {
  const isReply = frame[12] === 8 && frame[13] === 6 && frame[21] === 2;
  return isReply && frame.subarray(28, 32).join() === ipBytes(address).join()
    ? frame.slice(22, 28)
    : undefined;
}

/** An echo request in a frame of `size` bytes. */
function echoRequest(
  ways: { dst: Uint8Array; src: Uint8Array; own: string; address: string },
  size: number,
): Uint8Array {
  const payload = Uint8Array.from({ length: size - SIZE_MIN }, (_, i) => (i * 7 + size) & 0xff);
  const icmp = Uint8Array.from([8, 0, 0, 0, 0x50, 0x54, size >> 8, size & 0xff, ...payload]);
  new DataView(icmp.buffer).setUint16(2, checksum(icmp));
  const ip = Uint8Array.from([
    0x45,
    0,
    0,
    0,
    0,
    0,
    0x40,
    0,
    64,
    1,
    0,
    0,
    ...ipBytes(ways.own),
    ...ipBytes(ways.address),
  ]);
  const view = new DataView(ip.buffer);
  view.setUint16(2, IPV4 + icmp.length);
  view.setUint16(10, checksum(ip));
  return ethernet(ways.dst, ways.src, ETHERTYPE.IPV4, Uint8Array.from([...ip, ...icmp]));
}

/** The size of the request that it answers, with the same payload; undefined: it is another frame, or a damaged one. */
function echoReply(frame: Uint8Array): number | undefined {
  const icmp = frame.subarray(ETHERNET + IPV4);
  if (frame[12] !== 8 || frame[13] !== 0 || frame[23] !== 1 || icmp[0] !== 0) return undefined;
  if (checksum(frame.subarray(ETHERNET, ETHERNET + IPV4)) !== 0 || checksum(icmp) !== 0) return undefined;
  const size = (icmp[6]! << 8) | icmp[7]!;
  const isSame =
    frame.length === size && icmp.subarray(ICMP).every((octet, i) => octet === ((i * 7 + size) & 0xff));
  return isSame ? size : undefined;
}

/** @param wanted whether the file lets it reach the kernel. */
export async function pingKernel(
  trial: Trial,
  station: ModelStation,
  kernel: KernelSide,
  wanted: 'must' | 'never',
  signal: AbortSignal,
): Promise<Finding> {
  const object = `${nameOf(station.place)} -> ${kernel.port}`;
  const src = macBytes(station.place.device.mac);
  const request = arpRequest(src, kernel.own, kernel.address);
  if (wanted === 'never') return await keptFrom(trial, station, kernel, request);
  const dst = await ask(station, request, kernel, signal);
  if (dst === undefined)
    return failed('live-path', object, `the kernel does not answer to ARP within ${WAIT_MS / 1000} s`);
  const mtu = Math.min(mtuOf(trial, kernel.port), station.longest - ETHERNET);
  const sizes = Array.from({ length: mtu + ETHERNET - SIZE_MIN + 1 }, (_, i) => SIZE_MIN + i);
  const ways = { dst, src, own: kernel.own, address: kernel.address };
  const missing: number[] = [];
  for (let at = 0; at < sizes.length; at += BATCH) {
    signal.throwIfAborted();
    missing.push(...(await exchange(station, ways, sizes.slice(at, at + BATCH))));
    if (missing.length > BATCH) break;
  }
  return missing.length === 0
    ? pass(
        'live-path',
        object,
        `the kernel answered to ${sizes.length} sizes of echo requests, of ${SIZE_MIN} to ${mtu + ETHERNET} bytes, with every byte as it was sent`,
      )
    : failed(
        'live-path',
        object,
        `no answer with the right bytes to echo requests of ${missing.slice(0, 8).join(', ')} bytes`,
      );
}

/** Longer ones than usual would take long. */
const MTU_MOST = 1500;
function mtuOf({ host }: Trial, port: string): number {
  const { ports, members } = host.stats();
  const found = [...ports, ...members].find(({ name }) => name === port)?.interface?.mtu;
  return Math.min(found ?? MTU_MOST, MTU_MOST);
}

async function ask(
  station: ModelStation,
  request: Uint8Array,
  kernel: KernelSide,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const deadline = Date.now() + WAIT_MS;
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    await station.send([request]);
    const again = Date.now() + ASK_EACH_MS;
    while (Date.now() < again) {
      for (const frame of await station.drain()) {
        const mac = arpReply(frame, kernel.address);
        if (mac !== undefined) return mac;
      }
      await pause(1);
    }
  }
  return undefined;
}

/** Those that got no right answer. */
async function exchange(
  station: ModelStation,
  ways: Parameters<typeof echoRequest>[0],
  sizes: readonly number[],
): Promise<number[]> {
  const left = new Set(sizes);
  // A ring of few slots takes them a few at a time.
  for (let at = 0; at < sizes.length; at += station.slots)
    await station.send(sizes.slice(at, at + station.slots).map((size) => echoRequest(ways, size)));
  const deadline = Date.now() + WAIT_MS;
  while (left.size > 0 && Date.now() < deadline) {
    for (const frame of await station.drain()) {
      const size = echoReply(frame);
      if (size !== undefined) left.delete(size);
    }
    await pause(0);
  }
  return [...left];
}

/** The host has looked at a packet when it has taken it, so the member's counters say whether it went there. */
async function keptFrom(
  { host }: Trial,
  station: ModelStation,
  { port }: KernelSide,
  request: Uint8Array,
): Promise<Finding> {
  const object = `${nameOf(station.place)} -> ${port}`;
  const sent = (): number => {
    const rings = host.stats().members.find(({ name }) => name === port)!.rings;
    return rings.reduce((sum, { dir, packets }) => sum + (dir === 'rx' ? packets : 0), 0);
  };
  const before = sent();
  await station.send([request]);
  return sent() === before
    ? pass('live-isolation', object, 'a packet to everybody did not come to the interface')
    : failed('live-isolation', object, 'a packet to everybody came to the interface');
}
