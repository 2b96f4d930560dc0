// Says why a range of guest memory cannot be reached: each cause has its own remedy.
import type { DmaMiss } from './vfio-user/dma.ts';

/** For `length` bytes that DmaTable.resolve() missed; `nothing`: the table is empty. */
export function explainUnreachable(miss: DmaMiss, length: number, nothing: boolean): string {
  switch (miss) {
    case 'access':
      return 'that memory is not mapped for reading and writing: RAM would be right';
    case 'private':
      return "that memory came without a descriptor, so it is RAM that is not shared, or no RAM: 'share=on' for the memory backend would be right";
    case 'foreign':
      return 'the file of that memory is not in memory: a memfd, or a file on tmpfs or hugetlbfs, would be right';
    case 'beyond':
      return `its ${length} bytes run over the end of a map of guest memory: RAM in one piece would be right`;
    case 'unmapped':
      return nothing
        ? 'the VM has mapped no memory at all for this device: behind a virtual IOMMU it sees nothing before a driver asks, and a ptnet driver does not: a VM without one, or iommu=pt in the guest, would be right'
        : 'nothing is mapped there: behind a virtual IOMMU a device has other addresses than the physical ones that a ptnet driver writes: a VM without one, or iommu=pt in the guest, would be right';
  }
}
