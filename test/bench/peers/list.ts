// The peers that the benchmark knows: a new one is a file beside this one and a line here.
import type { Peer } from './peer.ts';
import { MEMIF, TestpmdPeer, VHOST_USER } from './testpmd.ts';

export const PEERS: readonly Peer[] = [new TestpmdPeer(VHOST_USER), new TestpmdPeer(MEMIF)];
