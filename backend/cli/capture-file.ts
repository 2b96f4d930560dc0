// The file that `ptnet capture` writes, opened with the rights of who asks for it, and without keeping this process from its signals.
import { constants, openSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigurationError } from '../errors.ts';
import { Interrupted } from './interrupt.ts';
import type { Io } from './io.ts';

const { O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY } = constants;
/** How often a FIFO is asked whether somebody reads it. */
const LOOK_MS = 50;

/**
 * What is in the file stays until the host begins to write it. A FIFO is waited for until somebody reads it.
 * @throws ConfigurationError when it cannot be opened; Interrupted when somebody stops the process before
 */
export async function openToCapture(path: string, io: Io): Promise<number> {
  let stopped = false;
  void io.untilStopped().then(() => {
    stopped = true;
  });
  for (let said = false; !stopped; said = true) {
    const fd = openIfRead(path);
    if (fd !== undefined) return fd;
    if (!said) io.err(`ptnet: ${path}: nobody reads it yet; Ctrl-C ends the waiting\n`);
    await pause(LOOK_MS);
  }
  throw new Interrupted();
}

/** undefined: a FIFO that nobody reads. */
function openIfRead(path: string): number | undefined {
  try {
    return openSync(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') {
      if (statSync(path, { throwIfNoEntry: false })?.isFIFO()) return undefined;
      throw new ConfigurationError(
        `${path}: a socket, or nothing that can be opened: a file or a FIFO would be right`,
      );
    }
    throw new ConfigurationError(`${path}: cannot be written: ${(error as Error).message}`, { cause: error });
  }
}
