// The regions of a PCI device as vfio numbers them: how large each is, whether it can be mapped, and accesses to it.
import { constants } from 'node:os';
import { CONFIG_SPACE_SIZE, type PciDevice } from '../../pci/index.ts';
import { ProtocolError } from '../errors.ts';
import type { RegionFd, VfioUserHooks } from './hooks.ts';
import { DMA_PAGE_SIZE, MAX_DATA_XFER_SIZE, REGION, REGION_FLAG } from './protocol.ts';
import type { RegionAccess, RegionInfo } from './wire.ts';

const { EINVAL } = constants.errno;
const PAGE = BigInt(DMA_PAGE_SIZE);

/** 0 for a region that the device does not have. @throws ProtocolError EINVAL: no such index. */
export function regionSize(device: PciDevice, index: number): number {
  if (index >= REGION.COUNT) throw new ProtocolError(EINVAL, `region ${index}: there are ${REGION.COUNT}`);
  if (index === REGION.CONFIG) return CONFIG_SPACE_SIZE;
  return index <= REGION.BAR5 ? (device.bars[index]?.size ?? 0) : 0;
}

/** With the descriptor to send when the region can be mapped. */
export function describeRegion(
  device: PciDevice,
  hooks: VfioUserHooks,
  index: number,
): { info: RegionInfo; fd?: number } {
  const size = BigInt(regionSize(device, index));
  const flags = size === 0n ? 0 : REGION_FLAG.READ | REGION_FLAG.WRITE;
  const memory = device.bars[index]?.mapped ? hooks.regionFd(index) : undefined;
  const mappable = memory === undefined ? 0n : mappableBytes(memory, size);
  if (memory === undefined || mappable === 0n) return { info: { index, size, flags, offset: 0n } };
  const info = { index, size, flags: flags | REGION_FLAG.MMAP, offset: memory.offset };
  return { info: mappable < size ? { ...info, sparse: mappable } : info, fd: memory.fd };
}

function mappableBytes(memory: RegionFd, size: bigint): bigint {
  const bytes = memory.size < size ? memory.size : size;
  return bytes - (bytes % PAGE);
}

export function readRegion(device: PciDevice, access: RegionAccess, into: Uint8Array): void {
  const offset = Number(access.offset);
  if (access.region === REGION.CONFIG) device.config.read(offset, into);
  else device.readBar(access.region, offset, into);
}

export function writeRegion(device: PciDevice, access: RegionAccess, from: Uint8Array): void {
  const offset = Number(access.offset);
  if (access.region === REGION.CONFIG) device.config.write(offset, from);
  else device.writeBar(access.region, offset, from);
}

/** @throws ProtocolError EINVAL when the access does not lie inside its region or is too large for a message. */
export function checkAccess(device: PciDevice, { region, offset, count }: RegionAccess): void {
  const size = regionSize(device, region);
  if (count === 0 || count > MAX_DATA_XFER_SIZE) {
    throw new ProtocolError(EINVAL, `${count} bytes: 1 to ${MAX_DATA_XFER_SIZE} expected`);
  }
  if (offset + BigInt(count) > BigInt(size)) {
    throw new ProtocolError(EINVAL, `region ${region}, ${offset}+${count}: the region has ${size} bytes`);
  }
}
