// Reads a configuration file as text, and says in one line why it cannot be one.
import { readFileSync, statSync } from 'node:fs';
import { ConfigurationError } from '../errors.ts';

/** Far more than any configuration; a device file or a disk image named by mistake is not read to its end. */
const BYTES_MAX = 16 * 2 ** 20;

/** @throws ConfigurationError */
export function readConfigFile(file: string): string {
  const bytes = readBytes(file);
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

function readBytes(file: string): Uint8Array {
  try {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() && stat.size > BYTES_MAX)
      throw new Error(`it has ${stat.size} bytes: at most ${BYTES_MAX} would be right`);
    return readFileSync(file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigurationError(`${file}: cannot be read: ${why}`, { cause });
  }
}

/** Without a mark at its start, UTF-16 still has a zero in each pair of bytes of its first, plain letters. */
function isWide(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes.length % 2 === 0 && (bytes[0] === 0) !== (bytes[1] === 0);
}
