// Guest RAM: parts below and above 4G, pages with both their addresses, and what a server may ask of it by message.
import { constants } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { ABOVE_4G, GuestRam, PAGE_SIZE } from '../../../../guest-driver/model/guest-ram.ts';
import { mapFd } from '../../../../native/os.ts';

const { EFAULT, EOPNOTSUPP } = constants.errno;
const DMA_READ = 11;
const DMA_WRITE = 12;
const open: GuestRam[] = [];
function makeRam(pages: number, split = false): GuestRam {
  const ram = new GuestRam(pages * PAGE_SIZE, { split });
  open.push(ram);
  return ram;
}
afterEach(() => {
  for (const ram of open.splice(0)) ram.close();
});

function dma(address: bigint, count: bigint, data = Buffer.alloc(0)): Buffer {
  const fixed = Buffer.alloc(16);
  fixed.writeBigUInt64LE(address, 0);
  fixed.writeBigUInt64LE(count, 8);
  return Buffer.concat([fixed, data]);
}

test('split RAM has two parts of one descriptor', () => {
  const ram = makeRam(8, true);
  expect(ram.parts).toEqual([
    { address: 0n, offset: 0n, size: 4n * 4096n },
    { address: ABOVE_4G, offset: 4n * 4096n, size: 4n * 4096n },
  ]);
});

test('pages are the same memory through the descriptor, the guest address and our pointer', () => {
  const ram = makeRam(8, true);
  const low = ram.allocate(1);
  const high = ram.allocate(2, { high: true });
  expect([low.address, high.address]).toEqual([4096n, ABOVE_4G]);
  expect(high.pointer - low.pointer).toBe(3n * 4096n);
  high.bytes[4097] = 77;
  const mapping = mapFd(ram.fd, { length: ram.size });
  expect(new Uint8Array(mapping.buffer)[4 * PAGE_SIZE + 4097]).toBe(77);
  mapping.unmap();
  expect(ram.at(ABOVE_4G + 4097n, 1)![0]).toBe(77);
});

test('pages never lie in both parts, and page 0 is never given out', () => {
  const ram = makeRam(8, true);
  expect(ram.allocate(3).address).toBe(4096n);
  expect(() => ram.allocate(1)).toThrow('no 1 pages in a row left');
  expect(ram.allocate(4, { high: true }).address).toBe(ABOVE_4G);
});

test('pages come back zeroed', () => {
  const ram = makeRam(4);
  const pages = ram.allocate(3);
  pages.bytes.fill(9);
  ram.free(pages);
  expect(ram.allocate(3).bytes.every((byte) => byte === 0)).toBe(true);
});

test('pages of either part go back to it', () => {
  const ram = makeRam(4, true);
  const high = ram.allocate(2, { high: true });
  ram.free(high);
  expect(ram.allocate(2, { high: true }).address).toBe(ABOVE_4G);
});

test('DMA_WRITE and DMA_READ reach RAM and nothing else', () => {
  const ram = makeRam(4, true);
  expect(ram.onCommand(DMA_WRITE, dma(ABOVE_4G + 8n, 3n, Buffer.from([1, 2, 3])))).toEqual(
    new Uint8Array(dma(ABOVE_4G + 8n, 3n)),
  );
  expect(ram.onCommand(DMA_READ, dma(ABOVE_4G + 7n, 5n))).toEqual(
    new Uint8Array(dma(ABOVE_4G + 7n, 5n, Buffer.from([0, 1, 2, 3, 0]))),
  );
  expect(ram.onCommand(DMA_READ, dma(2n * 4096n - 4n, 8n))).toBe(EFAULT);
  expect(ram.onCommand(DMA_READ, dma(0n, 1n << 40n))).toBe(EFAULT);
  expect(ram.onCommand(DMA_WRITE, dma(0n, 8n, Buffer.from([1])))).toBe(EFAULT);
  expect(ram.onCommand(99, dma(0n, 8n))).toBe(EOPNOTSUPP);
});

test.each([0, -4096, 4096, 12_288 + 1])('%i bytes of RAM are refused', (size) => {
  expect(() => new GuestRam(size)).toThrow('want a multiple of 8192');
});

test('close() may be called twice', () => {
  const ram = makeRam(2);
  ram.close();
  expect(ram.buffer.byteLength).toBe(0);
  ram.close();
});
