// What the driver model throws: who refused, what it was asked, with which errno.
import { constants } from 'node:os';
import { COMMAND_NAMES } from './messages.ts';

const NAMES = new Map<number, string>(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** `EINVAL` for 22; `errno 4095` for a number that has no name here. */
export function errnoName(errno: number): string {
  if (errno === 0) return 'success';
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** A vfio-user request that did not end as asked: refused by the server, never answered, or cut off. */
export class VfioUserError extends Error {
  override readonly name = 'VfioUserError';
  /** Positive errno. */
  readonly errno: number;
  readonly code: string;
  /** The vfio-user command number. */
  readonly command: number;

  constructor(peer: string, command: number, errno: number, what?: string) {
    super(
      `${peer}: ${COMMAND_NAMES.get(command) ?? `command ${command}`}: ${what ?? `refused with ${errnoName(errno)}`}`,
    );
    this.errno = errno;
    this.code = errnoName(errno);
    this.command = command;
  }
}

/** The device, its registers or its shared memory are not what a ptnet driver accepts. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
}

/** A ptnet control command (PTCTL) that came back with an errno. */
export class PtctlError extends Error {
  override readonly name = 'PtctlError';
  readonly errno: number;
  readonly code: string;

  constructor(device: string, command: string, errno: number) {
    super(`${device}: ${command}: refused with ${errnoName(errno)}`);
    this.errno = errno;
    this.code = errnoName(errno);
  }
}
