/** A writer of "newc" cpio archives, the format that the Linux kernel unpacks as its initramfs. */

export type CpioEntry =
  | { readonly path: string; readonly kind: 'directory'; readonly mode?: number }
  | { readonly path: string; readonly kind: 'file'; readonly mode?: number; readonly data: Uint8Array }
  | { readonly path: string; readonly kind: 'symlink'; readonly target: string }
  | {
      readonly path: string;
      readonly kind: 'character device';
      readonly mode?: number;
      readonly major: number;
      readonly minor: number;
    };

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const ALIGNMENT = 4;
/** The file type bits of st_mode. */
const S_IF = {
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  'character device': 0o020000,
} as const;
const DEFAULT_MODE = { directory: 0o755, file: 0o644, symlink: 0o777, 'character device': 0o600 } as const;

interface Record {
  name: string;
  inode: number;
  mode: number;
  links: number;
  rdev: { major: number; minor: number };
  data: Uint8Array;
}

const padded = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT);
  out.set(bytes);
  return out;
};

/** The header and the name fill up to a multiple of four together, the data on its own. */
function encode(record: Record): Uint8Array[] {
  const name = new TextEncoder().encode(`${record.name}\0`);
  const fields = [
    record.inode,
    record.mode,
    0, // uid
    0, // gid
    record.links,
    0, // mtime: fixed, so that the same input gives the same archive
    record.data.length,
    0, // major and minor of the device the file came from
    0,
    record.rdev.major,
    record.rdev.minor,
    name.length,
    0, // checksum, unused in newc
  ];
  const header = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return [padded(Buffer.concat([new TextEncoder().encode(header), name])), padded(record.data)];
}

const NO_DATA = new Uint8Array(0);

function toRecord(entry: CpioEntry, inode: number): Record {
  const name = entry.path.replace(/^\/+/, '');
  if (name === '' || name.includes('\0'))
    throw new TypeError(`cpio entry '${entry.path}': not a path of a file`);
  const mode = ('mode' in entry ? entry.mode : undefined) ?? DEFAULT_MODE[entry.kind];
  return {
    name,
    inode,
    mode: S_IF[entry.kind] | mode,
    links: entry.kind === 'directory' ? 2 : 1,
    rdev: entry.kind === 'character device' ? entry : { major: 0, minor: 0 },
    data:
      entry.kind === 'file'
        ? entry.data
        : entry.kind === 'symlink'
          ? new TextEncoder().encode(entry.target)
          : NO_DATA,
  };
}

/** Entries are unpacked in order: a directory must come before what lies in it. */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const records = entries.map((entry, index) => toRecord(entry, index + 1));
  records.push({ name: TRAILER, inode: 0, mode: 0, links: 1, rdev: { major: 0, minor: 0 }, data: NO_DATA });
  return Buffer.concat(records.flatMap(encode));
}
