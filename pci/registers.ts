// A register table: a block of 32-bit registers as data, shared by the device models, dumps, documentation and guests.
import assert from 'node:assert/strict';

/** What a guest may do with a register; `-` is reserved: it reads 0 and writes are ignored. */
export type RegisterMode = 'r' | 'w' | 'rw' | '-';

export type Register = readonly [offset: number, name: string, mode: RegisterMode, meaning: string];

/** Every register is 32 bits wide. */
export const REGISTER_BYTES = 4;

type OffsetsByName<Table extends readonly Register[], Prefix extends string> = {
  readonly [Row in Table[number] as Row[1] extends `${Prefix}${infer Name}` ? Name : never]: Row[0];
};

/** The table's offsets as constants, their names without the prefix: `PTNET_IO_PTCTL` becomes `.IO_PTCTL`. */
export function offsetsByName<const Table extends readonly Register[], Prefix extends string>(
  table: Table,
  prefix: Prefix,
): OffsetsByName<Table, Prefix> {
  for (const [, name] of table) {
    assert(name.startsWith(prefix), `register ${name}: its name must start with ${prefix}`);
  }
  const entries = table.map(([offset, name]) => [name.slice(prefix.length), offset]);
  return Object.fromEntries(entries) as OffsetsByName<Table, Prefix>;
}

/** Asserts that a table is in order, aligned, free of overlaps and repeated names, and fits `size` bytes. */
export function checkRegisters(table: readonly Register[], size: number): void {
  const names = new Set<string>();
  let free = 0;
  for (const [offset, name] of table) {
    const where = `register ${name} at ${offset}`;
    assert(Number.isInteger(offset) && offset >= 0, `${where}: offset must be a whole number of bytes`);
    assert(offset % REGISTER_BYTES === 0, `${where}: not aligned, must be a multiple of ${REGISTER_BYTES}`);
    assert(offset >= free, `${where}: overlaps the register before it or is out of order`);
    assert(offset + REGISTER_BYTES <= size, `${where}: ends outside of the region of ${size} bytes`);
    assert(!names.has(name), `${where}: the name is already taken`);
    names.add(name);
    free = offset + REGISTER_BYTES;
  }
}
