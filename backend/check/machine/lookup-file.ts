// The file of a lookup plug-in as a host would take it, looked at without running anything of it: whose it is, and the symbol that is in it.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

const SYMBOL = 'ptnet_lookup_plugin';
/** PTNET_LOOKUP_VERSION of native/include/ptnetmap/lookup.h. */
export const LOOKUP_VERSION = 1;

const { O_NOCTTY, O_NONBLOCK, O_RDONLY } = constants;
const WRITABLE_BY_OTHERS = 0o022;
/** A section or a table that is larger is not looked at. */
const PART_BYTES_MAX = 64 << 20;

/** Words of elf(5): a little-endian shared object of 64 bits for x86-64. */
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
const HEADER_BYTES = 64;
const ET_DYN = 3;
const EM_X86_64 = 62;
const SHT_DYNSYM = 11;
const SHT_NOBITS = 8;
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;

/** What is wrong with it: what is seen, and what would be right; undefined: a host of this user takes it as far as can be seen. */
export function lookupFileProblem(
  path: string,
  uid: number,
): readonly [evidence: string, remedy: string] | undefined {
  let fd: number;
  try {
    // Nobody waits for the other end of a FIFO.
    fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  } catch (error) {
    return [(error as Error).message, 'a plug-in that is built, by its path'];
  }
  try {
    return problemOf(fd, path, uid);
  } catch (error) {
    return [`'${path}': ${(error as Error).message}`, 'a file that can be read'];
  } finally {
    closeSync(fd);
  }
}

function problemOf(fd: number, path: string, uid: number): readonly [string, string] | undefined {
  const stat = fstatSync(fd);
  const right = 'a shared object for this machine, as docs/lookup.md compiles it';
  if (!stat.isFile() || stat.size === 0) return [`'${path}' is not a file with a program in it`, right];
  if (stat.uid !== 0 && stat.uid !== uid)
    return [
      `'${path}' belongs to uid ${stat.uid}, whose code it would be in the host`,
      `a file of root's or of uid ${uid}`,
    ];
  if ((stat.mode & WRITABLE_BY_OTHERS) !== 0)
    return [
      `'${path}' may be written by others than its owner, and would be code of the host`,
      `chmod go-w ${path}`,
    ];
  const header = read(fd, 0, HEADER_BYTES);
  if (
    !header.subarray(0, ELF.length).equals(ELF) ||
    header.readUInt16LE(16) !== ET_DYN ||
    header.readUInt16LE(18) !== EM_X86_64
  )
    return [`'${path}' is no shared object for x86-64`, right];
  const version = versionIn(fd, header);
  if (version === 'none')
    return [`'${path}' has no symbol ${SYMBOL}`, 'one that defines it as ptnetmap/lookup.h says'];
  if (version !== undefined && version !== LOOKUP_VERSION)
    return [
      `'${path}' is made for version ${version} of the interface, and this host has ${LOOKUP_VERSION}`,
      "one that is compiled with this host's ptnetmap/lookup.h",
    ];
  return undefined;
}

function read(fd: number, at: number, bytes: number): Buffer {
  if (bytes > PART_BYTES_MAX) throw new Error('a part of it is too large');
  const buffer = Buffer.alloc(bytes);
  if (readSync(fd, buffer, 0, bytes, at) !== bytes) throw new Error('it is cut off');
  return buffer;
}

interface Section {
  readonly type: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function sectionsOf(fd: number, header: Buffer): Section[] {
  const count = header.readUInt16LE(60);
  const table = read(fd, Number(header.readBigUInt64LE(40)), count * SECTION_BYTES);
  return Array.from({ length: count }, (_, i) => {
    const at = i * SECTION_BYTES;
    const word = (offset: number): number => Number(table.readBigUInt64LE(at + offset));
    return {
      type: table.readUInt32LE(at + 4),
      address: word(16),
      offset: word(24),
      size: word(32),
      link: table.readUInt32LE(at + 40),
    };
  });
}

/** The first word behind the symbol; 'none': it is not there; undefined: the file does not tell. */
function versionIn(fd: number, header: Buffer): number | 'none' | undefined {
  const sections = sectionsOf(fd, header);
  const table = sections.find(({ type }) => type === SHT_DYNSYM);
  const names = table && sections[table.link];
  if (!table || !names) return undefined;
  const symbols = read(fd, table.offset, table.size);
  const texts = read(fd, names.offset, names.size);
  for (let at = 0; at + SYMBOL_BYTES <= symbols.length; at += SYMBOL_BYTES) {
    const from = symbols.readUInt32LE(at);
    if (texts.toString('latin1', from, texts.indexOf(0, from)) !== SYMBOL) continue;
    if (symbols.readUInt16LE(at + 6) === 0) return 'none';
    const address = Number(symbols.readBigUInt64LE(at + 8));
    const home = sections.find(
      ({ type, address: start, size }) =>
        type !== SHT_NOBITS && start > 0 && address >= start && address + 4 <= start + size,
    );
    return home && read(fd, home.offset + address - home.address, 4).readUInt32LE(0);
  }
  return 'none';
}
