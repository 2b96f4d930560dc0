// The error classes, by who must act on them. A message names the object, what is wrong, and what would be right.
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type { FileCheck } from './config/file-checks.ts';

export class PtnetError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A mistake in a configuration, with what has found it and how it is told. */
export interface FoundProblem {
  readonly path: string;
  /** Undefined: its form is wrong. */
  readonly check?: FileCheck;
  /** With the place in the file. */
  readonly described: string;
}

/** The user's configuration is wrong. Where a file is, the message has a line for each mistake, and below it where that stands. */
export class ConfigurationError extends PtnetError {
  /** The mistakes alone, a line each: no file, no place. */
  readonly problems: readonly string[];
  /** The same as they were found. */
  readonly found: readonly FoundProblem[];
  constructor(
    message: string,
    options: { cause?: unknown; problems?: readonly string[]; found?: readonly FoundProblem[] } = {},
  ) {
    super('ERR_CONFIGURATION', message, options);
    this.problems = options.problems ?? [message];
    this.found = options.found ?? [];
  }
}

/** A vfio-user peer sent something that cannot be done. */
export class ProtocolError extends PtnetError {
  /** For the reply; positive. */
  readonly errno: number;
  /** Whether the session ends with it. */
  readonly fatal: boolean;
  constructor(errno: number, message: string, options: { fatal?: boolean; cause?: unknown } = {}) {
    super('ERR_PROTOCOL', message, options);
    this.errno = errno;
    this.fatal = options.fatal ?? false;
  }
}

/** A guest asked its device for something that cannot be done. */
export class DeviceError extends PtnetError {
  /** What the guest reads back; positive. */
  readonly errno: number;
  constructor(errno: number, message: string, options?: { cause?: unknown }) {
    super('ERR_DEVICE', message, options);
    this.errno = errno;
  }
}

/** A system call failed; shaped like Node's own: errno is negative. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall?: string;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as Partial<SystemError>).errno === 'number';
}

const NAMES = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]));

/** `EDQUOT` for 122, which Node's own table does not have. */
export function errnoName(errno: number): string {
  const name = getSystemErrorName(-errno);
  return name.startsWith('Unknown') ? (NAMES.get(errno) ?? `errno ${errno}`) : name;
}
