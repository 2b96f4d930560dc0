// Everything that users of the device models import, in one place.
export { BAR_COUNT, type Bar } from './bars.ts';
export { COMMAND, CONFIG, CONFIG_SPACE_SIZE, ConfigSpace } from './config-space.ts';
export type { PciDevice, RegisterDevice } from './device.ts';
export { describeRegisters, dumpConfig, dumpRegisters } from './dump.ts';
export { DEFAULT_PCI_IDS, PCI_IDS, type PciIds } from './identity.ts';
export {
  createMemdev,
  type MemdevInfo,
  type MemdevOptions,
  type MemoryAccess,
  type Pool,
} from './memdev/memdev.ts';
export { MEMDEV, MEMDEV_REGISTERS } from './memdev/registers.ts';
export { MSIX_CAPABILITY_ID, MSIX_CONTROL } from './msix.ts';
export type { CsbAddresses, PtnetBackend, PtnetInfo } from './ptnet/backend.ts';
export { createPtnet, type PtnetDevice, type PtnetOptions } from './ptnet/ptnet.ts';
export { PTCTL, PTCTL_RESULT, PTFEAT, PTNET, PTNET_REGISTERS, VNET_HDR_LENGTHS } from './ptnet/registers.ts';
export type { Register, RegisterMode } from './registers.ts';
export {
  describeReject,
  type OnReject,
  REJECT_CAUSES,
  type RejectCause,
  type RejectDetail,
} from './rejects.ts';
