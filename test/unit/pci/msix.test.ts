// MSI-X: the capability's bytes and the memory behind it.
import { describe, expect, test } from 'vitest';
import { MsixMemory, msixCapability } from '../../../pci/msix.ts';

const layout = { vectors: 5, bar: 2, tableOffset: 0, pbaOffset: 2048, size: 4096 };

describe('the capability', () => {
  test('has table size, table and PBA with their BAR', () => {
    const { bytes, writable } = msixCapability(layout);
    expect(Buffer.from(bytes).toString('hex')).toBe('110004000200000002080000');
    expect(Buffer.from(writable).toString('hex')).toBe('000000c00000000000000000');
  });
  test.each([0, 2049])('with %i vectors is refused', (vectors) => {
    expect(() => msixCapability({ ...layout, vectors })).toThrow('1 to 2048');
  });
  test('with an unaligned table is refused', () => {
    expect(() => msixCapability({ ...layout, pbaOffset: 2052 })).toThrow('multiples of 8');
  });
});

describe('the memory', () => {
  test('starts with every vector masked and nothing pending', () => {
    const memory = new MsixMemory(layout);
    const bytes = new Uint8Array(4096);
    memory.read(0, bytes);
    expect([...bytes.entries()].filter(([, byte]) => byte !== 0)).toEqual(
      [12, 28, 44, 60, 76].map((at) => [at, 1]),
    );
  });
  test('keeps what is written until a reset', () => {
    const memory = new MsixMemory(layout);
    const entry = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    memory.write(16, entry);
    const bytes = new Uint8Array(16);
    memory.read(16, bytes);
    expect(bytes).toEqual(entry);
    memory.reset();
    memory.read(16, bytes);
    expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
  });
  test('table and PBA must fit', () => {
    expect(() => new MsixMemory({ ...layout, vectors: 129 })).toThrow('runs into the PBA');
    expect(() => new MsixMemory({ ...layout, size: 2048 })).toThrow('ends outside of the BAR');
  });
});
