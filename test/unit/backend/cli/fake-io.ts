// A process that the commands run in, for their tests: keeps what they print.
import type { Io } from '../../../../backend/cli/io.ts';

export class FakeIo implements Io {
  stdout = '';
  stderr = '';
  stop: () => void = () => {};
  readonly #stopped = new Promise<void>((resolve) => {
    this.stop = resolve;
  });
  onOut: (text: string) => void = () => {};
  out = (text: string): void => {
    this.stdout += text;
    this.onOut(text);
  };
  err = (text: string): void => {
    this.stderr += text;
  };
  untilStopped = (): Promise<void> => this.#stopped;
}
