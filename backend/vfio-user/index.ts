// Everything that users of the vfio-user server import, in one place.
export { type DmaMap, DmaTable } from './dma.ts';
export type { RegionFd, RegionIoFd, VfioUserHooks } from './hooks.ts';
export { type Interrupt, Interrupts } from './irqs.ts';
export { type ExportedDevice, type ExportOptions, type KickSockets, VfioUserServer } from './server.ts';
export { Session, type Transport } from './session.ts';
