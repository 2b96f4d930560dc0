// What the host's parts need of a logger; pino fits.
import { pino } from 'pino';

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** For programs that look at the counters instead. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** JSON lines on stderr, so that stdout stays a command's own. */
export function createLogger(level: 'debug' | 'info' | 'warn' | 'error' = 'info'): Logger {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}
