// What another program must offer to be measured beside us: in the same rounds, at the same sizes.
import type { MeasureOptions } from '../measure.ts';
import type { Scenario } from '../scenarios.ts';

export interface Peer {
  /** One word: it stands in labels and is the key of `vsPeer`. */
  readonly name: string;
  /** Those of the given sizes of packets, in bytes, that it can send. */
  sizes(sizes: readonly number[]): readonly number[];
  /** Whether a scenario of ours at the same size is like what it does: only then is one divided by the other. */
  comparesWith(scenario: Pick<Scenario, 'path' | 'vm'>): boolean;
  /** Why it cannot run here; undefined when it can. Asked once, before the first round. */
  available(): Promise<string | undefined>;
  /** One measurement. @return packets per second that arrived. */
  measure(size: number, options: MeasureOptions): Promise<number>;
  /** Ends what it keeps running between measurements. Called once, after the last round, whatever happened. */
  close?(): Promise<void>;
}

export const peerLabel = (name: string, size: number): string => `peer ${name} size=${size}`;
