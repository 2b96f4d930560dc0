// virtio-net over a tap, as most VMs are attached: QEMU copies each packet to and from the kernel, testpmd has the tap's other side.
import { Tap, tapToolsMissing } from '../../harness/tap.ts';
import { NETDEV } from './testpmd-guest.ts';
import type { OpenJoint, VmJoint } from './vm-joint.ts';

/** Of testpmd's ring: with the usual 512 more than half of what a VM sends is lost whenever testpmd waits for its processor. */
const FRAMES = 4096;

/** Whether a tap is allowed is not told by anything but the attempt. */
export async function whyNoTap(): Promise<string | undefined> {
  const missing = await tapToolsMissing();
  if (missing !== undefined) return missing;
  try {
    await (await Tap.open()).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function open(): Promise<OpenJoint> {
  const tap = await Tap.open();
  return {
    vdev: `net_af_packet0,iface=${tap.name},framecnt=${FRAMES}`,
    // Without the kernel's vhost: few machines give it to whoever runs a test.
    netdev: ['-netdev', `tap,id=${NETDEV},ifname=${tap.name},script=no,downscript=no,vhost=off`],
    within: tap.within,
    close: async () => await tap.close(),
  };
}

export const TAP_JOINT: VmJoint = { name: 'tap', txQueue: 256, whyNot: whyNoTap, open };
