// What lies between the virtio device of a VM and a testpmd on the host: one description for each way to attach a VM.

export interface VmJoint {
  /** What the names of its peers begin with. */
  readonly name: string;
  /** As many slots as QEMU allows the guest's transmit queue. */
  readonly txQueue: number;
  /** Why it cannot be had here; undefined when it can. */
  whyNot(): Promise<string | undefined>;
  open(): Promise<OpenJoint>;
}

export interface OpenJoint {
  /** The host's end, as testpmd is told about it. */
  readonly vdev: string;
  /** The VM's end: QEMU's arguments for a netdev. */
  readonly netdev: readonly string[];
  /** A command that testpmd and QEMU are run with. */
  readonly within?: readonly string[];
  /** Called when both have ended. */
  close(): Promise<void>;
}
