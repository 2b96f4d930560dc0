/** Reads a VM's serial console: waits for exact strings, hands out lines, and shows the last lines when a wait fails. */

import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { VmError } from './errors.ts';

const TAIL_LINES = 25;
/** What is kept in memory for waits that start later; the log file has everything. */
const KEPT_CHARACTERS = 1 << 20;
const WAIT_TIMEOUT_MS = 60_000;

interface Wait {
  readonly text: string;
  readonly from: number;
  readonly done: (end: number) => void;
  readonly fail: (error: Error) => void;
}

export interface ConsoleOptions {
  /** Names the VM in errors. */
  readonly name: string;
  /** Receives every byte, e.g. for a log file. */
  readonly record?: (bytes: Buffer) => void;
}

export interface WaitOptions {
  readonly timeoutMs?: number;
  /** Where to start looking, as a `position`; by default after the last text that was waited for. */
  readonly from?: number;
}

export class Console {
  readonly #name: string;
  readonly #input: Writable;
  readonly #decoder = new StringDecoder('utf8');
  readonly #waits = new Set<Wait>();
  readonly #listeners = new Set<(line: string) => void>();
  /** Characters dropped from the front of `#text`; a position is an offset in everything printed so far. */
  #dropped = 0;
  #text = '';
  #line = '';
  #cursor = 0;
  #failure: Error | undefined;

  constructor(output: Readable, input: Writable, options: ConsoleOptions) {
    this.#name = options.name;
    this.#input = input;
    // Writes to a QEMU that has just ended fail with EPIPE; its end is reported through fail().
    input.on('error', () => {});
    output.on('data', (bytes: Buffer) => {
      options.record?.(bytes);
      this.#receive(this.#decoder.write(bytes));
    });
  }

  /** The end of what was printed so far. */
  get position(): number {
    return this.#dropped + this.#text.length;
  }

  /** Resolves with the position after `text` once it was printed. */
  waitFor(text: string, options: WaitOptions = {}): Promise<number> {
    const timeoutMs = options.timeoutMs ?? WAIT_TIMEOUT_MS;
    return new Promise<number>((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        this.#waits.delete(wait);
      };
      const wait: Wait = {
        text,
        from: options.from ?? this.#cursor,
        done: (end) => {
          finish();
          this.#cursor = Math.max(this.#cursor, end);
          resolve(end);
        },
        fail: (error) => {
          finish();
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        wait.fail(this.error(`nothing printed '${text}' within ${timeoutMs / 1000} s`));
      }, timeoutMs);
      this.#waits.add(wait);
      this.#settle(wait);
      if (this.#failure) wait.fail(this.#failure);
    });
  }

  /** Calls `listener` with every complete line from now on, without its line end; returns what stops it. */
  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  writeLine(line: string): void {
    this.#input.write(`${line}\n`);
  }

  /** Ends all waits, now and later, with `error`: nothing more will come from this console. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const wait of [...this.#waits]) wait.fail(error);
  }

  /** An error that says what is wrong and shows the end of the console. */
  error(what: string): VmError {
    return new VmError(`${this.#name}: ${what}; the console's last lines:\n${this.tail()}`);
  }

  /** The last lines, indented. */
  tail(count = TAIL_LINES): string {
    const lines = this.#text.split(/\r?\n/).filter((line) => line.trim() !== '');
    return lines.length === 0
      ? '  (nothing was printed)'
      : lines
          .slice(-count)
          .map((line) => `  | ${line}`)
          .join('\n');
  }

  /** Lines go first: who waited for the end of a line acts when all have seen that line. */
  #receive(text: string): void {
    this.#text += text;
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop()!;
    for (const line of lines) {
      for (const listener of [...this.#listeners]) listener(line.replace(/\r+$/, ''));
    }
    for (const wait of [...this.#waits]) this.#settle(wait);
    const excess = this.#text.length - KEPT_CHARACTERS;
    if (excess > 0) {
      this.#text = this.#text.slice(excess);
      this.#dropped += excess;
    }
  }

  #settle(wait: Wait): void {
    const start = Math.max(0, wait.from - this.#dropped);
    const at = this.#text.indexOf(wait.text, start);
    if (at >= 0) wait.done(this.#dropped + at + wait.text.length);
  }
}
