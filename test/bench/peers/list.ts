// The peers that the benchmark knows: a new one is a file beside this one and a line here.
import type { Peer } from './peer.ts';

export const PEERS: readonly Peer[] = [];
