// What the network device asks of the host: the seam between a device model and whatever serves its rings.

/** What the device asks of the host; all of it is synchronous. */
export interface PtnetBackend {
  readonly info: PtnetInfo;
  /** `wanted` holds offered bits only; returns those in force. */
  setFeatures(wanted: number): number;
  /** `wanted` is 0, 10 or 12; returns the length in force. */
  setVnetHdrLen(wanted: number): number;
  /** Starts serving the rings; 0 or a positive errno. */
  create(csb: CsbAddresses): number;
  /** Stops serving; 0 or a positive errno. */
  delete(): number;
  /** A doorbell that no native thread answered. */
  kick(ring: number): void;
}

export interface PtnetInfo {
  mac: Uint8Array;
  nifpOfs: number;
  numTxRings: number;
  numRxRings: number;
  numTxSlots: number;
  numRxSlots: number;
  hostMemId: number;
  /** PTFEAT bits that the host offers. */
  features: number;
}

/** Guest-physical addresses of the two CSB arrays. */
export interface CsbAddresses {
  guestToHost: bigint;
  hostToGuest: bigint;
}
