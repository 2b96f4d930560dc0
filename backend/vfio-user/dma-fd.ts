// Checks the descriptor that comes with a DMA map, so that mapping it later does not fail. It is not mapped to find out: on
// hugetlbfs that waits for whoever allocates pages of the file.
import { constants } from 'node:os';
import { inspectFd } from '../../native/os.ts';
import { ProtocolError } from '../errors.ts';
import { DMA_FLAG, DMA_PAGE_SIZE } from './protocol.ts';
import type { DmaMapRequest } from './wire.ts';

const { EACCES, EBADF, EINVAL } = constants.errno;

/**
 * Whether the descriptor is memory, which can be mapped later. A file that a disk or another process has to bring is let in
 * but never touched again: it may be part of the guest's address space, and nothing of ours can lie there.
 * @throws ProtocolError EBADF, EACCES or EINVAL.
 */
export function checkDmaFd(fd: number, { offset, size, flags }: DmaMapRequest): boolean {
  const info = inspectFd(fd);
  if (!info.readable) throw new ProtocolError(EACCES, 'descriptor: is not open for reading');
  const writable = (flags & DMA_FLAG.WRITE) !== 0;
  if (writable && !info.writable) throw new ProtocolError(EACCES, 'descriptor: is not open for writing');
  if (info.kind === 'file') return false;
  if (info.kind !== 'memory')
    throw new ProtocolError(EBADF, 'descriptor: is not memory (a memfd, or a file on tmpfs or hugetlbfs)');
  if (writable && info.writeSealed) throw new ProtocolError(EACCES, 'descriptor: is sealed against writing');
  if (offset % BigInt(DMA_PAGE_SIZE) !== 0n) {
    throw new ProtocolError(EINVAL, `offset ${offset}: must be a multiple of ${DMA_PAGE_SIZE}`);
  }
  if (offset + size > info.size || info.size > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ProtocolError(EINVAL, `descriptor of ${info.size} bytes: ${offset}+${size} do not lie inside`);
  }
  return true;
}
