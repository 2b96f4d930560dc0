// The limits of ports: what a file leaves out of them, and whether they can be.
import { kindOf } from '../ports/kinds/index.ts';
import type { HostConfig, PortLimits, Rate, FileLimits as StatedLimits } from './host-config.ts';
import { BURST } from './limits.ts';
import { fail, type Placed } from './placed.ts';
import { parsePortName } from './port-name.ts';
import type { FileConfig } from './schema.ts';
import { formatPath } from './schema.ts';

type FilePort = FileConfig['ports'] extends Map<string, infer P> ? P : never;
type FileLimits = Pick<FilePort, 'rate' | 'stormControl'>;

/** A packet of 64 KiB, or what comes in 5 ms: who is woken late can still use the whole rate. */
const BURST_BYTES_MIN = 65_536;
const BURST_SECONDS = 0.005;
/** Of packets that go to everybody: what comes in a tenth of a second. */
const STORM_SECONDS = 0.1;
const STORM_MIN = 10;
/** A worker wakes so many times a second at most for what is held back. */
const WAKES_PER_SECOND = 1000;

const bytesRate = (bits: number | undefined, burst: number | undefined): Rate | undefined => {
  if (bits === undefined) return undefined;
  const perSecond = Math.round(bits / 8);
  return { perSecond, burst: burst ?? Math.max(BURST_BYTES_MIN, Math.ceil(perSecond * BURST_SECONDS)) };
};

const packetsRate = (perSecond: number | undefined): Rate | undefined =>
  perSecond === undefined
    ? undefined
    : { perSecond, burst: Math.max(STORM_MIN, Math.ceil(perSecond * STORM_SECONDS)) };

/** What a file says, without what it does not say. */
export function statedLimits({ rate, stormControl }: FileLimits): StatedLimits | undefined {
  const given = <T extends object>(section: T) =>
    Object.fromEntries(Object.entries(section).filter(([, value]) => value !== undefined));
  if (!rate && !stormControl) return undefined;
  return { ...(rate && { rate: given(rate) }), ...(stormControl && { stormControl: given(stormControl) }) };
}

/** As a file would say it: `burst` only where it is not what follows from the rates. */
export function limitsForFile(limits: PortLimits): StatedLimits {
  const { tx, rx, broadcast, multicast, unknownUnicast } = limits;
  const bits = (rate: Rate | undefined) => (rate === undefined ? undefined : rate.perSecond * 8);
  const usual = [tx, rx].every(
    (rate) => rate === undefined || rate.burst === bytesRate(bits(rate), undefined)!.burst,
  );
  const burst = usual ? undefined : (tx ?? rx)!.burst;
  const storms = [broadcast, multicast, unknownUnicast];
  return statedLimits({
    rate: tx || rx ? { tx: bits(tx), rx: bits(rx), burst } : undefined,
    stormControl: storms.some((rate) => rate !== undefined)
      ? {
          broadcast: broadcast?.perSecond,
          multicast: multicast?.perSecond,
          unknownUnicast: unknownUnicast?.perSecond,
        }
      : undefined,
  })!;
}

/** What the port says, else what its switch says; undefined when nothing is limited. */
export function resolveLimits(
  port: FileLimits | undefined,
  vale: FileLimits | undefined,
): PortLimits | undefined {
  const rate = port?.rate ?? vale?.rate;
  const storm = port?.stormControl ?? vale?.stormControl;
  if (!rate && !storm) return undefined;
  const rates = {
    tx: bytesRate(rate?.tx, rate?.burst),
    rx: bytesRate(rate?.rx, rate?.burst),
    broadcast: packetsRate(storm?.broadcast),
    multicast: packetsRate(storm?.multicast),
    unknownUnicast: packetsRate(storm?.unknownUnicast),
  };
  return Object.fromEntries(Object.entries(rates).filter(([, given]) => given !== undefined));
}

/** Throws a ConfigurationError for the first limit that cannot be kept, or that says nothing. */
export function checkLimits(file: FileConfig, config: HostConfig, placed: readonly Placed[]): void {
  const members = [...config.switches.values()].flatMap((vale) => vale.members);
  const given = [
    ...[...file.switches].map(([name, keys]) => ({ at: ['switches', name], keys })),
    ...[...file.ports].map(([name, keys]) => ({ at: ['ports', name], keys })),
  ];
  for (const { at, keys } of given) {
    if (keys.rate) checkRate(formatPath([...at, 'rate']), keys.rate);
    if (keys.stormControl && Object.values(keys.stormControl).every((rate) => rate === undefined))
      fail(formatPath([...at, 'storm-control']), "it says nothing: 'broadcast: 1000pps' would be right");
  }
  for (const [name, { rate, stormControl }] of file.ports) {
    const parsed = parsePortName(name);
    if (rate && parsed.kind === 'monitor')
      fail(
        formatPath(['ports', name, 'rate']),
        `'${name}' is a monitor, and what it shows is not held back: a rate of '${parsed.parent}' would be right`,
      );
    if (!stormControl || members.includes(name) || kindOf(parsed).switchOf(parsed) !== undefined) continue;
    fail(
      formatPath(['ports', name, 'storm-control']),
      `'${name}' stands on no switch: 'vale0:1' would be right`,
    );
  }
  for (const { device, port, path } of placed) {
    const { tx, rx } = port.limits ?? {};
    if (device.policy !== 'inline' || (!tx && !rx)) continue;
    fail(
      `${path}.policy`,
      `'${device.port}' has a rate, and with inline nobody would wait for a packet's time: 'adaptive' would be right`,
    );
  }
}

function checkRate(path: string, { tx, rx, burst }: NonNullable<FileLimits['rate']>): void {
  if (tx === undefined && rx === undefined)
    fail(path, "it names no direction: 'tx: 1Gbit' or 'rx: 1Gbit' would be right");
  const least = Math.max(BURST.min, Math.ceil(Math.max(tx ?? 0, rx ?? 0) / 8 / WAKES_PER_SECOND));
  if (burst !== undefined && burst < least)
    fail(`${path}.burst`, `${burst} bytes are less than a millisecond of the rate: ${least} would be right`);
}
