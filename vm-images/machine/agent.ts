/** Speaks to the in-VM agent over the serial console: a command is a line, its answer ends with `PTNET {json}`. */
import type { Console } from './console.ts';
import { AgentError, VmError } from './errors.ts';

/** What the guest prints when it takes commands. */
export const READY = 'PTNET-READY';
/** What the kernel prints when it panics. */
export const PANIC = 'Kernel panic - not syncing';
const PROGRESS = 'PTNET-PROGRESS';
const ANSWER = /^PTNET (\{.*\})$/;
/** Beyond the agent's own. */
const COMMAND_TIMEOUT_MS = 260_000;

export type AgentResult = Readonly<Record<string, unknown>> & { readonly op: string; readonly ok: boolean };

export interface AgentOptions {
  readonly timeoutMs?: number;
  readonly onProgress?: (line: string) => void;
}

export interface AgentJob {
  readonly command: string;
  readonly done: Promise<AgentResult>;
}

export class Agent {
  readonly #name: string;
  readonly #console: Console;
  /** The agent reads its next command only when it is done with the last one: so commands queue here. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #abort = new Set<(error: Error) => void>();
  #dead: Error | undefined;

  constructor(name: string, console: Console) {
    this.#name = name;
    this.#console = console;
    console.onLine((line) => {
      if (line.includes(PANIC)) this.fail(this.#console.error(`the guest's kernel panicked: ${line}`));
      else if (line === READY) this.fail(this.#console.error('the guest has restarted'), { later: false });
    });
  }

  start(command: string, options: AgentOptions = {}): AgentJob {
    const done = this.#last.then(() => this.#run(command, options));
    this.#last = done.catch(() => {});
    // A job may be started and its failure looked at only much later.
    done.catch(() => {});
    return { command, done };
  }

  /** Ends the running command, and unless told otherwise every wait on this console from now on. */
  fail(error: Error, { later = true } = {}): void {
    for (const abort of [...this.#abort]) abort(error);
    if (!later) return;
    this.#dead ??= error;
    this.#console.fail(error);
  }

  #run(command: string, options: AgentOptions): Promise<AgentResult> {
    const timeoutMs = options.timeoutMs ?? COMMAND_TIMEOUT_MS;
    let release = () => {};
    return new Promise<AgentResult>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(this.#console.error(`agent command '${command}' gave no result in ${timeoutMs / 1000} s`));
      }, timeoutMs);
      const stopListening = this.#console.onLine((line) => {
        if (line.startsWith(PROGRESS)) options.onProgress?.(line);
        const answer = ANSWER.exec(line)?.[1];
        if (answer === undefined) return;
        try {
          resolve(this.#parse(command, answer));
        } catch (error) {
          reject(error);
        }
      });
      this.#abort.add(reject);
      release = () => {
        clearTimeout(timer);
        stopListening();
        this.#abort.delete(reject);
      };
      if (this.#dead) reject(this.#dead);
      else this.#console.writeLine(command);
    }).finally(() => release());
  }

  #parse(command: string, text: string): AgentResult {
    let json: AgentResult;
    try {
      json = JSON.parse(text) as AgentResult;
    } catch (cause) {
      throw new VmError(`${this.#name}: agent command '${command}' answered no JSON: ${text}`, { cause });
    }
    if (json.ok !== true) throw new AgentError(this.#name, command, json);
    return json;
  }
}
