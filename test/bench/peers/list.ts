// The peers that the benchmark knows: a new one is a file beside this one and a line here.
import type { Peer } from './peer.ts';
import { TAP_JOINT } from './tap-joint.ts';
import { AF_PACKET, AF_XDP, MEMIF, NET_TAP, TestpmdPeer, VHOST_USER } from './testpmd.ts';
import { TestpmdVm, TestpmdVmPeer } from './testpmd-vm.ts';
import { VHOST_USER_JOINT } from './vhost-user-joint.ts';
import type { VmJoint } from './vm-joint.ts';

/** Both directions, in one VM. */
function inVm(joint: VmJoint): Peer[] {
  const vm = new TestpmdVm(joint);
  return [new TestpmdVmPeer('vm-to-host', vm), new TestpmdVmPeer('host-to-vm', vm)];
}

export const PEERS: readonly Peer[] = [
  new TestpmdPeer(VHOST_USER),
  new TestpmdPeer(MEMIF),
  new TestpmdPeer(NET_TAP),
  new TestpmdPeer(AF_PACKET),
  new TestpmdPeer(AF_XDP),
  ...inVm(VHOST_USER_JOINT),
  ...inVm(TAP_JOINT),
];
