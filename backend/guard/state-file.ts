// The memory in which a host's state outlives it: sections of text, each in two places, of which one is in force, whenever its writer dies.
import { createHash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { inspectFd, memfdCreate } from '../../native/os.ts';

const MAGIC = 0x7074_6e65_7473_7461n; // "ptnetsta"
/** Of all that is described here. */
export const LAYOUT = 1;

/** The first page: magic u64, layout u64, bytes of everything u64, starts u64, void u64; little-endian. */
const HEADER_BYTES = 4096;
const HEADER = { magic: 0, layout: 8, bytes: 16, starts: 24, void: 32 } as const;
/** Of a section: two slots of sequence u64, length u64, digest 32 bytes, text. */
const SLOT_BYTES = 8 * 2 ** 20;
const SLOT_HEADER = 48;
export const TEXT_BYTES_MAX = SLOT_BYTES - SLOT_HEADER;
export const SECTIONS_MAX = 1 + 4096;
/** Nearly all of it holes. */
const FILE_BYTES = HEADER_BYTES + 2 * SECTIONS_MAX * SLOT_BYTES;

const digestOf = (sequence: bigint, text: Buffer): Buffer =>
  createHash('sha256').update(String(sequence)).update(text).digest();

interface Slot {
  readonly sequence: bigint;
  readonly position: number;
  readonly length: number;
  readonly digest: Buffer;
}

/** What is written there is there: a process that is killed between two writes leaves what was in force before. */
export class StateFile {
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  static create(): StateFile {
    const file = new StateFile(memfdCreate('ptnetmap-state', FILE_BYTES, { seal: true }));
    file.#put(HEADER.layout, BigInt(LAYOUT));
    file.#put(HEADER.bytes, BigInt(FILE_BYTES));
    // Last: without it it is none.
    file.#put(HEADER.magic, MAGIC);
    return file;
  }

  /** @param fd is taken. @throws Error with what is wrong with it */
  static open(fd: number): StateFile {
    const { kind, size, shrinkSealed, readable, writable } = inspectFd(fd);
    if (kind !== 'memory' || !shrinkSealed || !readable || !writable) throw new Error('not the memory of a state');
    if (size !== BigInt(FILE_BYTES)) throw new Error(`${size} bytes: a state has ${FILE_BYTES}`);
    const file = new StateFile(fd);
    if (file.#get(HEADER.magic) !== MAGIC) throw new Error('it does not begin as a state does');
    const layout = file.#get(HEADER.layout);
    if (layout !== BigInt(LAYOUT)) throw new Error(`layout ${layout}: ${LAYOUT} is read here`);
    if (file.#get(HEADER.bytes) !== BigInt(FILE_BYTES)) throw new Error('it says that it has another size');
    return file;
  }

  /** Processes that have begun with it since one has served for a while. */
  get starts(): number {
    return Number(this.#get(HEADER.starts));
  }

  set starts(count: number) {
    this.#put(HEADER.starts, BigInt(count));
  }

  /** Nobody is to go on with it. */
  get void(): boolean {
    return this.#get(HEADER.void) !== 0n;
  }

  set void(on: boolean) {
    this.#put(HEADER.void, on ? 1n : 0n);
  }

  /** All of it or, if this process is killed, nothing. @throws RangeError when it is too long */
  write(section: number, text: string): void {
    const bytes = Buffer.from(text);
    if (section >= SECTIONS_MAX) throw new RangeError(`section ${section}: there are ${SECTIONS_MAX}`);
    if (bytes.length > TEXT_BYTES_MAX)
      throw new RangeError(`${bytes.length} bytes of state: at most ${TEXT_BYTES_MAX} are kept`);
    const [one, other] = this.#slots(section);
    const [newer, older] = one.sequence > other.sequence ? [one, other] : [other, one];
    const sequence = newer.sequence + 1n;
    writeAll(this.fd, bytes, older.position + SLOT_HEADER);
    const header = Buffer.alloc(SLOT_HEADER);
    header.writeBigUInt64LE(sequence, 0);
    header.writeBigUInt64LE(BigInt(bytes.length), 8);
    digestOf(sequence, bytes).copy(header, 16);
    // Within a page, and so at once.
    writeAll(this.fd, header, older.position);
  }

  /** What was written last. @returns undefined: nothing ever was. @throws Error when that is not there as it was written */
  read(section: number): string | undefined {
    const [one, other] = this.#slots(section);
    const newer = one.sequence > other.sequence ? one : other;
    if (newer.sequence === 0n) return undefined;
    if (newer.length > TEXT_BYTES_MAX) throw new Error(`section ${section}: ${newer.length} bytes`);
    const bytes = Buffer.alloc(newer.length);
    readAll(this.fd, bytes, newer.position + SLOT_HEADER);
    // An older one would be of a host that is not like that any more.
    if (!digestOf(newer.sequence, bytes).equals(newer.digest))
      throw new Error(`section ${section}: it is not as it was written`);
    return bytes.toString();
  }

  #slots(section: number): [Slot, Slot] {
    const at = (which: number): Slot => {
      const position = HEADER_BYTES + (2 * section + which) * SLOT_BYTES;
      const header = Buffer.alloc(SLOT_HEADER);
      readAll(this.fd, header, position);
      const [sequence, length] = [header.readBigUInt64LE(0), header.readBigUInt64LE(8)];
      return { sequence, position, length: Number(length), digest: header.subarray(16) };
    };
    return [at(0), at(1)];
  }

  #get(at: number): bigint {
    const word = Buffer.alloc(8);
    readAll(this.fd, word, at);
    return word.readBigUInt64LE();
  }

  #put(at: number, value: bigint): void {
    const word = Buffer.alloc(8);
    word.writeBigUInt64LE(value);
    writeAll(this.fd, word, at);
  }
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

function readAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(fd, bytes, done, bytes.length - done, position + done);
    if (read === 0) throw new Error('it is shorter than it was');
    done += read;
  }
}
