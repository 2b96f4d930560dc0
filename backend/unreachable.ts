// Says why a range of guest memory cannot be reached: each cause has its own remedy.
import { constants } from 'node:os';
import type { DmaMap } from './vfio-user/dma.ts';

const { EACCES, EOPNOTSUPP } = constants.errno;

/** For a range that DmaTable.resolve() refused with `errno`. */
export function explainUnreachable(
  maps: readonly DmaMap[],
  address: bigint,
  length: number,
  errno: number,
): string {
  if (errno === EACCES) return 'that memory is mapped for reading only: RAM would be right';
  if (errno === EOPNOTSUPP)
    return "that memory came without a descriptor, so it is RAM that is not shared, or no RAM: 'share=on' for the memory backend would be right";
  const end = address + BigInt(length);
  if (maps.some((map) => map.address < end && address < map.address + map.size))
    return `its ${length} bytes run over the end of a map of guest memory: RAM in one piece would be right`;
  return maps.length === 0
    ? 'the VM has mapped no memory at all for this device: behind a virtual IOMMU it sees nothing before a driver asks, and a ptnet driver does not: a VM without one, or iommu=pt in the guest, would be right'
    : 'nothing is mapped there: behind a virtual IOMMU a device has other addresses than the physical ones that a ptnet driver writes: a VM without one, or iommu=pt in the guest, would be right';
}
