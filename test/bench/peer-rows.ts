// The rows of the report about peers: their own rates, measured in the same rounds as ours.
import { type Peer, peerLabel } from './peers/peer.ts';
import type { SamplesOf } from './sample.ts';
import { SIZES } from './scenarios.ts';
import { type Stat, statOf } from './statistics.ts';

export interface PeerRow {
  readonly name: string;
  readonly size: number;
  /** Packets that arrived. */
  readonly mpps: Stat;
}

export function peerRows(peers: readonly Pick<Peer, 'name' | 'sizes'>[], of: SamplesOf): PeerRow[] {
  return peers.flatMap((peer) =>
    peer.sizes(SIZES).flatMap((size): PeerRow[] => {
      const mpps = statOf(of(peerLabel(peer.name, size)), ({ value }) => value, 1e-6, 3);
      return mpps === undefined ? [] : [{ name: peer.name, size, mpps }];
    }),
  );
}
