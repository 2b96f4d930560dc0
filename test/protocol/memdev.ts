// A memory device whose BAR 1 is a memfd, for protocol tests of regions that can be mapped.
import { createMemdev, type PciDevice } from '../../pci/index.ts';
import { RecordingHooks } from './recording.ts';

export const BAR1_SIZE = 0x10_0000;

export function memdev(): PciDevice {
  const pool = { offset: 0, count: 10, size: 1024 };
  const info = {
    memsize: 0xf_0000n,
    memid: 3,
    barSize: BigInt(BAR1_SIZE),
    pools: {
      if: pool,
      ring: { offset: 10_240, count: 4, size: 20_480 },
      buf: { offset: 92_160, count: 64, size: 2048 },
    },
  };
  return createMemdev('vm1/mem', info);
}

/** The host's side of it: `size` bytes of `fd` may be mapped. */
export function memoryHooks(fd: number, size = BAR1_SIZE, offset = 0n): RecordingHooks {
  const memory = { fd, offset, size: BigInt(size) };
  return new RecordingHooks({ regionFd: (region) => (region === 1 ? memory : undefined) });
}
