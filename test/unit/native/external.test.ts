// Memory that is too large for one ArrayBuffer: refused with an error, however often, and reached by parts instead.
import { expect, test } from 'vitest';
import { Region } from '../../../native/memory.ts';
import { closeFd, mapFd, memfdCreate } from '../../../native/os.ts';

const LARGE = {
  id: 7,
  ifNum: 100,
  ifSize: 1024,
  ringNum: 200,
  ringSize: 36_864,
  bufNum: 163_840,
  bufSize: 65_536,
};

/** Finalizers of what was refused would run now. */
async function collect(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    new Array(100_000).fill(i);
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a region of more than 4 GiB has no single buffer, and its parts are read and written', async () => {
  const region = new Region(LARGE);
  const { memsize } = region.info;
  expect(memsize).toBeGreaterThan(2 ** 33);
  for (let i = 0; i < 20; i++) expect(() => region.buffer).toThrow(RangeError);
  await collect();
  region.write(memsize - 4, Uint8Array.of(1, 2, 3, 4));
  const into = new Uint8Array(3);
  region.read(memsize - 3, into);
  expect([...into]).toEqual([2, 3, 4]);
  for (const offset of [-1, 0.5, memsize - 2, Number.NaN, 2 ** 53])
    expect(() => region.read(offset, into)).toThrow(RangeError);
  expect(() => region.read(0, [0] as unknown as Uint8Array)).toThrow(TypeError);
});

test('a mapping of more than 4 GiB is refused, and nothing of it is left', async () => {
  const fd = memfdCreate('large', 2 ** 32 + 4096);
  for (let i = 0; i < 20; i++) expect(() => mapFd(fd, { length: 2 ** 32 + 4096 })).toThrow(RangeError);
  await collect();
  const fits = mapFd(fd, { length: 2 ** 32 });
  expect(fits.buffer.byteLength).toBe(2 ** 32);
  fits.unmap();
  closeFd(fd);
});
