// Tries the paths between a device and its host: sink and source of a null port, an echo, the kernel behind a tap or an interface.
import type { HostConfig } from '../../config/host-config.ts';
import { macBytes } from '../../config/mac.ts';
import { kindOf } from '../../ports/kinds/index.ts';
import { type Finding, judge } from '../finding.ts';
import { addressesOf, frameOf, isWhole, sizesUpTo } from './frames.ts';
import { pingKernel } from './kernel.ts';
import type { PathOptions } from './paths.ts';
import { nameOf, reachesMember } from './reach.ts';
import type { KernelSide } from './sandbox.ts';
import { type ModelStation, pause } from './station.ts';
import type { Trial } from './trial.ts';

/** A probe packet has so many bytes of header. */
const PROBE_MIN = 32;
/** Packets of each size by a source. */
const COUNT = 8n;
const SINK_SIZES = [
  32, 33, 59, 60, 61, 64, 127, 128, 256, 512, 1023, 1024, 1280, 1500, 1513, 1514, 1518, 2047, 2048,
];
const WAIT_MS = 5000;

/** Those of one device. */
export async function* tryHostPaths(
  trial: Trial,
  station: ModelStation,
  kernels: readonly KernelSide[],
  { signal, onProgress }: PathOptions,
): AsyncGenerator<Finding> {
  const { place } = station;
  const name = nameOf(place);
  if (place.portName.kind === 'null') {
    onProgress(`${name}: packets to the host's sink and from its source`);
    yield await toSink(trial, station, signal);
    yield await fromSource(trial, station, signal);
  }
  if (place.portName.kind === 'echo') {
    onProgress(`${name}: packets that come back`);
    yield await echoed(station, signal);
  }
  for (const kernel of kernels) {
    const wanted = kernelWanted(station, kernel, trial.config);
    if (wanted === undefined) continue;
    onProgress(`${name}: the kernel behind ${kernel.port}`);
    yield await pingKernel(trial, station, kernel, wanted, signal);
  }
}

/** Undefined: it is not on this device's way at all. */
function kernelWanted(
  { place }: ModelStation,
  { port }: KernelSide,
  config: HostConfig,
): 'must' | 'never' | undefined {
  if (place.device.port === port) return 'must';
  const vale = kindOf(place.portName).switchOf(place.portName);
  if (vale === undefined || !config.switches.get(vale)?.members.includes(port)) return undefined;
  const arrives = reachesMember(place, port, config);
  return arrives === 'may' ? undefined : arrives;
}

async function toSink(trial: Trial, station: ModelStation, signal: AbortSignal): Promise<Finding> {
  const { place, port } = station;
  const name = place.device.port;
  const sizes = SINK_SIZES.filter((size) => size <= Math.min(station.longest, 2048));
  const problems: string[] = [];
  const count = BigInt(place.port.txRings) * COUNT;
  let firstSeq = 0n;
  const taken = (): number => {
    const { rings } = trial.host.stats([name]).ports[0]!;
    return rings.reduce((sum, { dir, packets }) => sum + (dir === 'tx' ? packets : 0), 0);
  };
  const before = taken();
  for (const size of sizes) {
    signal.throwIfAborted();
    const frags = Math.ceil(size / station.bufSize);
    const loop = await port.startLoop({
      op: 'send',
      count,
      firstSeq,
      size,
      frags,
      payload: 'full',
      sleep: true,
    });
    const { error } = await loop.done;
    if (error !== undefined) problems.push(`${size} bytes: ${error}`);
    firstSeq += COUNT;
  }
  const wanted = Number(count) * sizes.length;
  const deadline = Date.now() + WAIT_MS;
  while (taken() - before < wanted && Date.now() < deadline) await pause(1);
  const got = taken() - before;
  if (got !== wanted) problems.push(`${got} of ${wanted} packets came to the host`);
  const { lost = 0, late = 0, corrupt = 0 } = trial.host.stats([name]).ports[0]!.sink ?? {};
  if (lost + late + corrupt > 0)
    problems.push(`the sink found ${lost} lost, ${late} late and ${corrupt} damaged ones`);
  return judge(
    'live-path',
    `${nameOf(place)} -> host`,
    problems,
    `${wanted} packets of ${sizes.length} sizes, every byte of each is right`,
  );
}

async function fromSource(trial: Trial, station: ModelStation, signal: AbortSignal): Promise<Finding> {
  const { place, port } = station;
  const sizes = SINK_SIZES.filter((size) => size >= PROBE_MIN && size <= station.bufSize);
  const problems: string[] = [];
  // A source sends so many by each ring.
  const count = COUNT * BigInt(place.port.rxRings);
  const rest = {
    payload: 'full',
    rate: 0,
    stream: 0,
    dst: place.device.mac,
    src: '02:00:00:00:00:01',
  } as const;
  for (const size of sizes) {
    signal.throwIfAborted();
    trial.host.setSource(place.device.port, { packets: Number(COUNT), size, ...rest });
    const loop = await port.startLoop({
      op: 'receive',
      count,
      seconds: WAIT_MS / 1000,
      payload: 'full',
      sleep: true,
    });
    const { received, error } = await loop.done;
    const { packets, lost, late, corrupt } = received;
    if (error !== undefined) problems.push(`${size} bytes: ${error}`);
    else if (packets !== count || lost + late + corrupt > 0n)
      problems.push(
        `${size} bytes: ${packets} of ${count} packets, ${lost} lost, ${late} late, ${corrupt} damaged`,
      );
  }
  return judge(
    'live-path',
    `host -> ${nameOf(place)}`,
    problems,
    `${Number(count) * sizes.length} packets of ${sizes.length} sizes, every byte of each is right`,
  );
}

async function echoed(station: ModelStation, signal: AbortSignal): Promise<Finding> {
  const { place } = station;
  const src = place.device.mac;
  const dst = '02:00:00:00:ff:fe';
  const problems: string[] = [];
  const sizes = sizesUpTo(station.longest, true);
  for (const size of sizes) {
    signal.throwIfAborted();
    if ((await station.send([frameOf({ src, dst }, size)])) > 0) {
      problems.push(`${size} bytes: the host has not taken it`);
      break;
    }
    const back = await next(station);
    if (back === undefined) problems.push(`${size} bytes did not come back`);
    else if (!isEcho(back, src, dst)) problems.push(`${size} bytes came back as ${back.length} other ones`);
  }
  return judge(
    'live-path',
    `${nameOf(place)} -> ${nameOf(place)}`,
    problems,
    `packets of ${sizes.length} sizes came back with their addresses exchanged and every other byte as it was`,
  );
}

/** As it was sent, but for the addresses. */
function isEcho(back: Uint8Array, src: string, dst: string): boolean {
  const addresses = addressesOf(back);
  if (addresses?.src !== dst || addresses.dst !== src) return false;
  const turned = back.slice();
  turned.set(macBytes(dst), 0);
  turned.set(macBytes(src), 6);
  return isWhole(turned);
}

async function next(station: ModelStation): Promise<Uint8Array | undefined> {
  const deadline = Date.now() + WAIT_MS;
  while (Date.now() < deadline) {
    const [frame] = await station.drain();
    if (frame !== undefined) return frame;
    await pause(0);
  }
  return undefined;
}
