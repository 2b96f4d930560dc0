// Mappings as ArrayBuffers: shared, detached by unmap, never unmapped by the garbage collector, gone with their environment.
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { closeFd, mapFd, memfdCreate } from '../../../native/os.ts';
import { mappingsOf, openFds } from '../../harness/descriptors.ts';

describe('mapFd', () => {
  test('two mappings see each other, also after the descriptor is closed', () => {
    const fd = memfdCreate('ptnet-map-two', 8192);
    const first = mapFd(fd, { length: 8192, writable: true });
    const second = mapFd(fd, { offset: 4096, length: 4096 });
    closeFd(fd);
    new Uint8Array(first.buffer)[4096] = 42;
    expect(new Uint8Array(second.buffer)[0]).toBe(42);
    expect(first.length).toBe(8192);
    expect(second.address).toBeGreaterThan(0n);
    expect(Atomics.add(new Int32Array(first.buffer), 1024, 1)).toBe(42);
    first.unmap();
    second.unmap();
  });

  test('unmap detaches: views get length 0, everything stays callable, twice is harmless', () => {
    const fd = memfdCreate('ptnet-map-detach', 4096);
    const mapping = mapFd(fd, { length: 4096, writable: true });
    const bytes = new Uint8Array(mapping.buffer);
    const view = new DataView(mapping.buffer);
    mapping.unmap();
    expect(mappingsOf('ptnet-map-detach')).toBe(0);
    expect(bytes.length).toBe(0);
    expect(bytes[0]).toBeUndefined();
    bytes[0] = 1;
    expect(() => view.getUint8(0)).toThrow(TypeError);
    expect(mapping.buffer.byteLength).toBe(0);
    expect(mapping.address).toBe(0n);
    expect(mapping.length).toBe(0);
    mapping.unmap();
    closeFd(fd);
  });

  test('the buffer cannot be transferred away, and a clone is a copy', () => {
    const fd = memfdCreate('ptnet-map-clone', 4096);
    const mapping = mapFd(fd, { length: 4096, writable: true });
    const copy = structuredClone(mapping.buffer);
    new Uint8Array(mapping.buffer)[0] = 1;
    expect(new Uint8Array(copy)[0]).toBe(0);
    try {
      structuredClone(mapping.buffer, { transfer: [mapping.buffer] });
    } catch {
      // Newer versions of Node refuse; older ones copy in silence. Neither may take the memory away.
    }
    expect(mapping.buffer.byteLength).toBe(4096);
    mapping.unmap();
    closeFd(fd);
  });

  test('memory that transfer() moved is not unmapped under its new buffer', () => {
    const fd = memfdCreate('ptnet-map-moved', 4096);
    const mapping = mapFd(fd, { length: 4096, writable: true });
    closeFd(fd);
    const { transfer } = ArrayBuffer.prototype as { transfer?: () => ArrayBuffer };
    if (transfer === undefined) {
      expect(process.version).toMatch(/^v20\./); // has no other way to move it, see above
      mapping.unmap();
      return;
    }
    const moved = new Uint8Array(transfer.call(mapping.buffer));
    expect(() => mapping.unmap()).toThrow(/^mapping of 4096 bytes: another buffer has taken its memory over/);
    moved[0] = 3;
    expect(moved[0]).toBe(3);
    expect(mappingsOf('ptnet-map-moved')).toBe(1);
  });

  test('a mapping that nobody refers to stays', () => {
    const fd = memfdCreate('ptnet-map-gc', 4096);
    const bytes = (() => new Uint8Array(mapFd(fd, { length: 4096, writable: true }).buffer))();
    const pressure: ArrayBuffer[] = [];
    for (let i = 0; i < 200; i++) pressure[i % 4] = new ArrayBuffer(1 << 22);
    bytes[1] = 7;
    expect(bytes[1]).toBe(7);
    expect(mappingsOf('ptnet-map-gc')).toBe(1);
    closeFd(fd);
  });

  test('refuses a bad descriptor, an unaligned offset, an empty length', () => {
    const fd = memfdCreate('ptnet-map-bad', 4096);
    expect(() => mapFd(fd, { length: 0 })).toThrow(/^length: out of range/);
    expect(() => mapFd(fd, { length: 4096, offset: 1 })).toThrow(/mmap: EINVAL/);
    expect(() => mapFd(fd, { length: 4096, offset: -4096 })).toThrow(/^offset: out of range/);
    expect(() => mapFd(fd, { length: 2 ** 52 })).toThrow(/mmap: ENOMEM/);
    closeFd(fd);
    expect(() => mapFd(fd, { length: 4096 })).toThrow(/mmap: EBADF/);
    expect(mappingsOf('ptnet-map-bad')).toBe(0);
  });
});

/** Runs code in a worker thread with its own copy of the addon; resolves with its exit code. */
function inWorker(code: string): Promise<number> {
  const file = new URL('../../../native/build/Release/ptnetmap.node', import.meta.url).pathname;
  const worker = new Worker(`const os = require(${JSON.stringify(file)});\n${code}`, { eval: true });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
}

describe('environments', () => {
  test('a worker that ends takes its mappings, watches and channels along', async () => {
    const before = openFds();
    const code = `
      const fd = os.memfdCreate('ptnet-map-worker', 4096);
      const mapping = new os.Mapping(fd, 0, 4096, true);
      os.closeFd(fd);
      const event = os.eventfd(0);
      new os.Watch(event, () => {});
      os.closeFd(event);
      const [a, b] = os.socketPair();
      const left = new os.Channel(a);
      left.start(() => {}, () => {});
      const right = new os.Channel(b);
      right.start(() => {}, () => {});
      new os.Channel(os.eventfd(0));
      setImmediate(() => process.exit(5));`;
    expect(await Promise.all([inWorker(code), inWorker(code)])).toEqual([5, 5]);
    expect(mappingsOf('ptnet-map-worker')).toBe(0);
    expect(openFds()).toEqual(before);
  });

  test('a worker that is terminated in the middle, too', async () => {
    const before = openFds();
    const file = new URL('../../../native/build/Release/ptnetmap.node', import.meta.url).pathname;
    const worker = new Worker(
      `const os = require(${JSON.stringify(file)});
       const [a, b] = os.socketPair();
       const channel = new os.Channel(a);
       channel.start(() => {}, () => {});
       const event = os.eventfd(1);
       new os.Watch(event, () => {});
       os.closeFd(event);
       os.closeFd(b);
       require('node:worker_threads').parentPort.postMessage('ready');
       for (;;);`,
      { eval: true },
    );
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    expect(openFds()).toEqual(before);
  });
});
