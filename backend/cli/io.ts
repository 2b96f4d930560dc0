// What the commands need of the process that they run in; tests give them another one.

export interface Io {
  /** Results: what another program may read. */
  out(text: string): void;
  /** Everything that is said to people beside the results. */
  err(text: string): void;
  /** Resolves when somebody asks the process to end. */
  untilStopped(): Promise<void>;
}

/** The real process. A second signal ends it at once, by the signal's own default. */
export function processIo(): Io {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    // A reader of the results that goes away (`| head`) is as good as a signal.
    process.stdout.on('error', () => resolve());
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    untilStopped: () => stopped,
  };
}
