// What the host gives the vfio-user server with each device: memory to map, and calls when the guest's side changes.
import type { DmaTable } from './dma.ts';
import type { Session } from './session.ts';

/** Memory behind a region; the descriptor stays the host's. */
export interface RegionFd {
  readonly fd: number;
  /** Where the region starts in it. */
  readonly offset: bigint;
  /** Bytes that may be mapped; less than the region's size makes the rest reachable by message only. */
  readonly size: bigint;
}

/** A doorbell that a client may ring through an eventfd; the descriptor stays the host's. */
export interface RegionIoFd {
  readonly fd: number;
  readonly offset: number;
  readonly size: number;
}

export interface VfioUserHooks {
  /** undefined: the region is reached by message only. */
  regionFd(region: number): RegionFd | undefined;
  /** Called before the map goes away: stop serving what lies in it. */
  onDmaUnmap(dma: DmaTable, address: bigint, size: bigint): void;
  /** The new interrupts are in session.irqs; the descriptors they replace are closed when this returns. */
  onInterruptsChanged(vector: number, count: number): void;
  /** A client has finished VFIO_USER_VERSION. */
  onAttach(session: Session): void;
  /** The client is gone; maps and interrupts are dropped when this returns. */
  onDetach(session: Session): void;
  /** Answers VFIO_USER_DEVICE_GET_REGION_IO_FDS. */
  ioFds?(region: number): readonly RegionIoFd[];
}
