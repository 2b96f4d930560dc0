// A register file: guest accesses of any width and offset, turned into reads and writes of whole registers of a table.
import assert from 'node:assert/strict';
import { checkRegisters, REGISTER_BYTES, type Register } from './registers.ts';
import type { Rejects } from './rejects.ts';

/** The device behind the registers: one match on the name for each direction. Values are unsigned 32-bit. */
export interface RegisterBank {
  read(name: string): number;
  write(name: string, value: number): void;
}

/** A run of write-only registers whose value means nothing: writing the first byte of one rings it. */
export interface Doorbells {
  offset: number;
  count: number;
  ring(index: number): void;
}

export interface RegisterFileOptions {
  table: readonly Register[];
  size: number;
  bank: RegisterBank;
  rejects: Rejects;
  /** The BAR the file lies in: for reports only. */
  bar: number;
  doorbells?: Doorbells;
}

export class RegisterFile {
  readonly size: number;
  readonly #registers: (Register | undefined)[];
  readonly #bank: RegisterBank;
  readonly #rejects: Rejects;
  readonly #bar: number;
  readonly #doorbells: Doorbells | undefined;

  constructor({ table, size, bank, rejects, bar, doorbells }: RegisterFileOptions) {
    checkRegisters(table, size);
    if (doorbells !== undefined) {
      const { offset, count } = doorbells;
      assert(offset % REGISTER_BYTES === 0, `doorbells at ${offset}: not aligned`);
      assert(offset + count * REGISTER_BYTES <= size, `doorbells: ${count} do not fit ${size} bytes`);
      const inside = table.find(([at]) => at > offset && at < offset + count * REGISTER_BYTES);
      assert(inside === undefined, `doorbells at ${offset}: register ${inside?.[1]} lies among them`);
    }
    this.size = size;
    this.#registers = new Array(Math.ceil(size / REGISTER_BYTES));
    for (const register of table) this.#registers[register[0] / REGISTER_BYTES] = register;
    this.#bank = bank;
    this.#rejects = rejects;
    this.#bar = bar;
    this.#doorbells = doorbells;
  }

  /** Fills `into` with the bytes at `offset`; where there is no register it reads 0. */
  read(offset: number, into: Uint8Array): void {
    const end = offset + into.length;
    for (let at = offset - (offset % REGISTER_BYTES); at < end; at += REGISTER_BYTES) {
      const value = this.#readRegister(at);
      for (let lane = 0; lane < REGISTER_BYTES; lane += 1) {
        const index = at + lane - offset;
        if (index >= 0 && index < into.length) into[index] = (value >>> (8 * lane)) & 0xff;
      }
    }
  }

  /** Writes each register that `from` covers whole; a part of a register is ignored and counted. */
  write(offset: number, from: Uint8Array): void {
    const end = offset + from.length;
    const bytes = new DataView(from.buffer, from.byteOffset, from.length);
    for (let at = offset - (offset % REGISTER_BYTES); at < end; at += REGISTER_BYTES) {
      const doorbell = this.#doorbellAt(at);
      const whole = at >= offset && at + REGISTER_BYTES <= end;
      if (doorbell >= 0 && at >= offset) this.#doorbells!.ring(doorbell);
      else if (whole && doorbell < 0) this.#writeRegister(at, bytes.getUint32(at - offset, true));
      else this.#rejects.add('partial-write', { bar: this.#bar, offset, length: from.length });
    }
  }

  #doorbellAt(at: number): number {
    const doorbells = this.#doorbells;
    if (doorbells === undefined || at < doorbells.offset) return -1;
    const index = (at - doorbells.offset) / REGISTER_BYTES;
    return index < doorbells.count ? index : -1;
  }

  #readRegister(at: number): number {
    const register = this.#registers[at / REGISTER_BYTES];
    if (register === undefined || register[2] === '-' || this.#doorbellAt(at) >= 0) return 0;
    return this.#bank.read(register[1]);
  }

  #writeRegister(at: number, value: number): void {
    const register = this.#registers[at / REGISTER_BYTES];
    if (register === undefined) this.#rejects.add('no-register', { bar: this.#bar, offset: at, value });
    else if (register[2] === 'r') this.#rejects.add('read-only', { register: register[1], value });
    else if (register[2] !== '-') this.#bank.write(register[1], value);
  }
}
