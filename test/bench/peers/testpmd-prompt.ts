// The command line of a testpmd that runs: told what to do, asked for its counters; over a pipe or a serial line.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Console } from '../../../vm-images/machine/console.ts';
import type { MeasureOptions } from '../measure.ts';

const PROMPT = 'testpmd> ';
const ANSWER_MS_MAX = 20_000;
const FIRST_PACKET_MS_MAX = 10_000;
const WARM_UP_MS = 100;

export const TESTPMD = 'dpdk-testpmd';

/** Its port's counter at one instant. */
interface Reading {
  /** ms */
  readonly time: number;
  readonly packets: number;
}

/** @param answer to `show port stats`, as a terminal shows it. */
export function parseReceived(answer: string): number {
  const found = /RX-packets:\s*(\d+)/.exec(answer);
  if (!found) throw new Error(`testpmd: no RX-packets in its answer: ${answer.trim()}`);
  return Number(found[1]);
}

export class Testpmd {
  readonly #console: Console;

  /** @param console nobody else writes to it. */
  constructor(console: Console) {
    this.#console = console;
  }

  /** Waits for its first prompt. */
  async ready(timeoutMs = ANSWER_MS_MAX): Promise<void> {
    await this.#console.waitFor(PROMPT, { timeoutMs });
  }

  /** @return its answer, and before it what a terminal repeats of the command. */
  async tell(command: string): Promise<string> {
    const lines: string[] = [];
    const from = this.#console.position;
    const stopListening = this.#console.onLine((line) => lines.push(line));
    try {
      this.#console.writeLine(command);
      // It is written when all of the answer was.
      await this.#console.waitFor(PROMPT, { from, timeoutMs: ANSWER_MS_MAX });
      return lines.join('\n');
    } finally {
      stopListening();
    }
  }

  /** What its port has received so far; looked at in the middle of the time that the answer took. */
  async received(): Promise<Reading> {
    const before = performance.now();
    const packets = parseReceived(await this.tell('show port stats 0'));
    return { time: (before + performance.now()) / 2, packets };
  }
}

/** One sends to the other for so long. @return packets per second that arrived. */
export async function measureBetween(
  sender: Testpmd,
  receiver: Testpmd,
  size: number,
  { seconds, signal }: MeasureOptions,
): Promise<number> {
  await sender.tell(`set txpkts ${size}`);
  await receiver.tell('start');
  await sender.tell('start');
  try {
    const { packets: before } = await receiver.received();
    const deadline = performance.now() + FIRST_PACKET_MS_MAX;
    while ((await receiver.received()).packets === before) {
      if (performance.now() > deadline) throw new Error('testpmd: no packet arrived');
      await sleep(20, undefined, { signal });
    }
    await sleep(WARM_UP_MS, undefined, { signal });
    const first = await receiver.received();
    await sleep(seconds * 1000, undefined, { signal });
    const last = await receiver.received();
    return ((last.packets - first.packets) * 1000) / (last.time - first.time);
  } finally {
    await sender.tell('stop');
    await receiver.tell('stop');
  }
}
