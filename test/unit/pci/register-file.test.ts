// The register file: widths, lanes, holes and doorbells.
import { beforeEach, describe, expect, test } from 'vitest';
import { RegisterFile } from '../../../pci/register-file.ts';
import type { Register } from '../../../pci/registers.ts';
import { Rejects } from '../../../pci/rejects.ts';
import { bytesOf, rejects as nonZero, numberOf } from './guest.ts';

const TABLE: Register[] = [
  [0, 'A', 'rw', ''],
  [4, 'B', 'r', ''],
  [8, 'C', '-', ''],
  [12, 'D', 'w', ''],
  [32, 'BELL', 'w', ''],
];

let values: Map<string, number>;
let rung: number[];
let rejects: Rejects;
let file: RegisterFile;

beforeEach(() => {
  values = new Map([
    ['A', 0x44332211],
    ['B', 0x88776655],
    ['C', 0xdeadbeef],
    ['D', 0xcafe],
    ['BELL', 0xbad],
  ]);
  rung = [];
  rejects = new Rejects();
  file = new RegisterFile({
    table: TABLE,
    size: 48,
    bar: 0,
    rejects,
    bank: {
      read: (name) => values.get(name)!,
      write: (name, value) => values.set(name, value),
    },
    doorbells: { offset: 32, count: 4, ring: (index) => rung.push(index) },
  });
});

function read(offset: number, length: number): string {
  const bytes = new Uint8Array(length).fill(0xa5);
  file.read(offset, bytes);
  return Buffer.from(bytes).toString('hex');
}

describe('reading', () => {
  test.each([
    ['a register', 0, 4, '11223344'],
    ['its second byte', 1, 1, '22'],
    ['its upper half', 2, 2, '3344'],
    ['two registers at once', 0, 8, '1122334455667788'],
    ['across two registers', 3, 2, '4455'],
    ['an odd width', 1, 3, '223344'],
    ['a register with its high bit set', 4, 4, '55667788'],
    ['a reserved register', 8, 4, '00000000'],
    ['a write-only register, whose bank decides', 12, 4, 'feca0000'],
    ['a hole', 16, 4, '00000000'],
    ['a doorbell', 32, 4, '00000000'],
    ['nothing', 2, 0, ''],
  ])('%s', (_, offset, length, hex) => {
    expect(read(offset, length)).toBe(hex);
    expect(nonZero(rejects)).toEqual({});
  });
});

describe('writing', () => {
  test('a register', () => {
    file.write(0, bytesOf(0xfedcba98, 4));
    expect(values.get('A')).toBe(0xfedcba98);
  });
  test.each([1, 2, 3])('%i bytes of a register are ignored and counted', (length) => {
    file.write(0, bytesOf(0, length));
    expect(values.get('A')).toBe(0x44332211);
    expect(nonZero(rejects)).toEqual({ 'partial-write': 1 });
  });
  test('an unaligned write changes only registers that it covers whole', () => {
    file.write(10, bytesOf(0x99999999_aaaan, 6));
    expect(values.get('D')).toBe(0x99999999);
    expect(nonZero(rejects)).toEqual({ 'partial-write': 1 });
  });
  test('a read-only register is counted, a reserved one is not', () => {
    file.write(4, bytesOf(0, 8));
    expect(values.get('B')).toBe(0x88776655);
    expect(values.get('C')).toBe(0xdeadbeef);
    expect(nonZero(rejects)).toEqual({ 'read-only': 1 });
  });
  test('a hole is counted', () => {
    file.write(20, bytesOf(1, 4));
    expect(nonZero(rejects)).toEqual({ 'no-register': 1 });
  });
  test('a view into a bigger buffer is read at its own offset', () => {
    const message = Uint8Array.of(9, 9, 9, 1, 2, 3, 4, 9);
    file.write(12, message.subarray(3, 7));
    expect(values.get('D')).toBe(numberOf(Uint8Array.of(1, 2, 3, 4)));
  });
});

describe('doorbells', () => {
  test.each([
    ['the first', 32, 4, [0]],
    ['the last', 44, 4, [3]],
    ['one byte of one', 36, 1, [1]],
    ['two bytes of one', 36, 2, [1]],
    ['eight bytes, which is two of them', 36, 8, [1, 2]],
  ])('%s rings', (_, offset, length, expected) => {
    file.write(offset, new Uint8Array(length));
    expect(rung).toEqual(expected);
    expect(nonZero(rejects)).toEqual({});
  });
  test('a write that starts in the middle of one rings nothing and is counted', () => {
    file.write(33, new Uint8Array(2));
    expect(rung).toEqual([]);
    expect(nonZero(rejects)).toEqual({ 'partial-write': 1 });
  });
  test('a write that starts before them rings the ones it reaches', () => {
    file.write(28, new Uint8Array(8));
    expect(rung).toEqual([0]);
    expect(nonZero(rejects)).toEqual({ 'no-register': 1 });
  });
  test.each([
    ['unaligned', 33, 1, /not aligned/],
    ['outside of the file', 32, 5, /5 do not fit 48 bytes/],
    ['over another register', 28, 4, /register BELL lies among them/],
  ])('are refused when %s', (_, offset, count, message) => {
    const bank = { read: () => 0, write: () => undefined };
    const doorbells = { offset, count, ring: () => undefined };
    expect(() => new RegisterFile({ table: TABLE, size: 48, bar: 0, rejects, bank, doorbells })).toThrow(
      message,
    );
  });
});
