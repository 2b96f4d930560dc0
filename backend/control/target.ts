// What the control API needs of the program that a host runs in: the host, the level of its log, and the file that it came from.
import type { Complaints } from '../complaints.ts';
import type { Host } from '../host.ts';
import type { HandedFiles } from './files.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface ControlTarget {
  readonly host: Host;
  /** The configuration file that it was started with, if there was one. */
  readonly file?: string;
  /** What the command line said instead of the file. */
  readonly overrides?: { readonly runDir?: string };
  /** The log's own, as pino has it. */
  readonly log: { level: string };
  /** Where changes are said. */
  readonly complaints: Complaints;
}

/** And of the server: the files that clients have handed to it. */
export interface ServedTarget extends ControlTarget {
  readonly files: Pick<HandedFiles, 'take'>;
}
