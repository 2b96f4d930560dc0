// The peers that the benchmark knows: a new one is a file beside this one and a line here.
import type { Peer } from './peer.ts';
import { MEMIF, TestpmdPeer, VHOST_USER } from './testpmd.ts';
import { TestpmdVm, TestpmdVmPeer } from './testpmd-vm.ts';

const vm = new TestpmdVm();

export const PEERS: readonly Peer[] = [
  new TestpmdPeer(VHOST_USER),
  new TestpmdPeer(MEMIF),
  new TestpmdVmPeer('vm-to-host', vm),
  new TestpmdVmPeer('host-to-vm', vm),
];
