// Reads a configuration file as text, and says in one line why it cannot be one.
import { closeSync, openSync, readSync } from 'node:fs';
import { ConfigurationError } from '../errors.ts';

/** Far more than any configuration; a device file or a disk image named by mistake is not read to its end. */
const BYTES_MAX = 16 * 2 ** 20;
const PART_BYTES = 64 * 1024;

/** @throws ConfigurationError */
export const readConfigFile = (file: string): string =>
  readTextFile(file, `: 'ptnet init ${file}' makes one`);

/** @param hint what would be right where there is no such file; @throws ConfigurationError */
export function readTextFile(file: string, hint = ''): string {
  const bytes = readBytes(file, hint);
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || isWide(bytes))
    throw new ConfigurationError(`${file}: is UTF-16 text: UTF-8 would be right`);
  if (bytes.includes(0)) throw new ConfigurationError(`${file}: is not text: a YAML file would be right`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigurationError(`${file}: is not UTF-8 text: UTF-8 would be right`, { cause });
  }
}

function readBytes(file: string, hint: string): Uint8Array {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    return readAll(fd);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ConfigurationError(`${file}: cannot be read: ${why}${missing ? hint : ''}`, { cause });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Pipes and devices do not say how much there is, and some have no end. */
function readAll(fd: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let length = 0; length <= BYTES_MAX; ) {
    const part = new Uint8Array(PART_BYTES);
    const read = readSync(fd, part);
    if (read === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, read));
    length += read;
  }
  throw new Error(`it has more than ${BYTES_MAX} bytes: a YAML file would be right`);
}

/** Without a mark at its start, UTF-16 still has a zero in each pair of bytes of its first, plain letters. */
function isWide(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes.length % 2 === 0 && (bytes[0] === 0) !== (bytes[1] === 0);
}
