// The rows of the report about network drivers in Linux guests.
import { NETS, type NetKey, netLabel, virtioOf } from './net-paths.ts';
import type { Sample, SamplesOf } from './sample.ts';
import { medianRatio, type Stat, statOf } from './statistics.ts';

export interface NetRow extends NetKey {
  /** TCP: gigabits per second that arrived. */
  readonly gbps?: Stat;
  /** UDP: thousands of packets per second that arrived. */
  readonly kpps?: Stat;
  /** Ping: the median round trip, µs. */
  readonly rtt_us?: Stat;
  /** Doorbells of the first guest's driver, for a thousand packets that its stack has seen. */
  readonly kicks: Stat;
  /** Interrupts of its interface, likewise. */
  readonly interrupts: Stat;
  /** Where virtio-net was measured too: how many times its figure, of the same rounds. */
  readonly vsVirtio?: number;
}

const FIGURES = {
  tcp: { key: 'gbps', factor: 1e-9 },
  'tcp-big': { key: 'gbps', factor: 1e-9 },
  udp: { key: 'kpps', factor: 1e-3 },
  ping: { key: 'rtt_us', factor: 1 },
} as const;

/** The figure of a row, whichever it has. */
export const netStat = ({ gbps, kpps, rtt_us }: NetRow): Stat => gbps ?? kpps ?? rtt_us!;

const values = (samples: readonly Sample[]): number[] => samples.map(({ value }) => value);

export function netRows(of: SamplesOf): NetRow[] {
  return NETS.flatMap((net): NetRow[] => {
    const samples = of(netLabel(net));
    if (samples.length === 0) return [];
    const { key, factor } = FIGURES[net.kind];
    const virtio = of(netLabel(virtioOf(net)));
    const vsVirtio = net.driver === 'ptnet' ? medianRatio(values(samples), values(virtio)) : undefined;
    return [
      {
        ...net,
        [key]: statOf(samples, ({ value }) => value, factor, 3)!,
        kicks: statOf(samples, ({ signals }) => signals?.kicks ?? 0, 1, 1)!,
        interrupts: statOf(samples, ({ signals }) => signals?.interrupts ?? 0, 1, 1)!,
        ...(vsVirtio === undefined ? {} : { vsVirtio }),
      },
    ];
  });
}
