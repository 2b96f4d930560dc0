// Register tables: what a table must satisfy, and the constants made from it.
import { describe, expect, test } from 'vitest';
import { checkRegisters, offsetsByName, type Register } from '../../../pci/registers.ts';

const row = (offset: number, name: string): Register => [offset, name, 'rw', ''];

describe('checkRegisters', () => {
  test('accepts a table with holes that ends at the end of its region', () => {
    expect(() => checkRegisters([row(0, 'A'), row(8, 'B')], 12)).not.toThrow();
  });
  test.each<[string, Register[], RegExp]>([
    ['two registers at one offset', [row(0, 'A'), row(0, 'B')], /register B at 0: overlaps/],
    ['registers out of order', [row(4, 'A'), row(0, 'B')], /register B at 0: overlaps .* out of order/],
    ['an unaligned register', [row(6, 'A')], /register A at 6: not aligned/],
    ['a register past the end', [row(12, 'A')], /register A at 12: ends outside of the region of 12 bytes/],
    ['a negative offset', [row(-4, 'A')], /register A at -4: offset/],
    ['a name used twice', [row(0, 'A'), row(4, 'A')], /register A at 4: the name is already taken/],
  ])('refuses %s', (_, table, message) => {
    expect(() => checkRegisters(table, 12)).toThrow(message);
  });
});

describe('offsetsByName', () => {
  test('makes constants without the prefix', () => {
    expect(offsetsByName([row(0, 'X_IO_A'), row(8, 'X_IO_B')], 'X_')).toEqual({ IO_A: 0, IO_B: 8 });
  });
  test('refuses a name without the prefix', () => {
    expect(() => offsetsByName([row(0, 'Y_A')], 'X_')).toThrow('register Y_A: its name must start with X_');
  });
});
