// Checks the descriptor that comes with a DMA map, so that mapping it later can neither fail nor fault.
import { constants } from 'node:os';
import { inspectFd, mapFd, trySealShrink } from '../../native/os.ts';
import { ProtocolError } from '../errors.ts';
import { DMA_FLAG, DMA_PAGE_SIZE } from './protocol.ts';
import type { DmaMapRequest } from './wire.ts';

const { EACCES, EBADF, EINVAL, EPERM } = constants.errno;

/** @throws ProtocolError EBADF, EACCES or EINVAL. */
export function checkDmaFd(fd: number, { offset, size, flags }: DmaMapRequest): void {
  // Before its size is looked at: afterwards the file can no longer shrink below what was checked.
  trySealShrink(fd);
  const info = inspectFd(fd);
  if (info.kind !== 'file')
    throw new ProtocolError(EBADF, 'descriptor: is not memory (a regular file or memfd)');
  if (!info.readable) throw new ProtocolError(EACCES, 'descriptor: is not open for reading');
  const writable = (flags & DMA_FLAG.WRITE) !== 0;
  if (writable && !info.writable) throw new ProtocolError(EACCES, 'descriptor: is not open for writing');
  if (offset % BigInt(DMA_PAGE_SIZE) !== 0n) {
    throw new ProtocolError(EINVAL, `offset ${offset}: must be a multiple of ${DMA_PAGE_SIZE}`);
  }
  if (offset + size > info.size || info.size > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ProtocolError(EINVAL, `descriptor of ${info.size} bytes: ${offset}+${size} do not lie inside`);
  }
  tryMapping(fd, offset, info.pageSize, writable);
}

/** Seals, mount options and the like refuse a mapping in ways that fstat does not show. */
function tryMapping(fd: number, offset: bigint, pageSize: number, writable: boolean): void {
  // With huge pages a range may start inside of one; a mapping may not.
  const start = Number(offset - (offset % BigInt(pageSize)));
  try {
    mapFd(fd, { offset: start, length: pageSize, writable }).unmap();
  } catch (error) {
    const errno = -((error as { errno?: number }).errno ?? -EINVAL);
    throw new ProtocolError(errno === EPERM ? EACCES : errno, 'descriptor: cannot be mapped', {
      cause: error,
    });
  }
}
