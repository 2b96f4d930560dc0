// `ptnet top`: rates, drops by cause, kicks, interrupts and the workers' load, again and again.
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import type { ControlClient } from '../../control/index.ts';
import type { Io } from '../io.ts';
import { frame, plainLines } from './frame.ts';
import { ratesBetween } from './rates.ts';

export interface TopOptions {
  readonly json: boolean;
  readonly rings: boolean;
  /** Seconds. */
  readonly interval: number;
  /** How many times; for ever when not given. */
  readonly count?: number;
}

export async function top(client: ControlClient, options: TopOptions, io: Io): Promise<void> {
  const { interval, count = Number.POSITIVE_INFINITY } = options;
  const host = await client.host();
  const stop = new AbortController();
  void io.untilStopped().then(() => stop.abort());
  const { terminal } = io;
  const screen = terminal && !options.json ? createLogUpdate(terminal.stream) : undefined;
  try {
    let before = await client.stats();
    for (let n = 0; n < count; n++) {
      await sleep(interval * 1000, undefined, { signal: stop.signal });
      const now = await client.stats();
      const rates = ratesBetween(before, now);
      before = now;
      if (options.json) io.out(`${JSON.stringify(rates)}\n`);
      else if (screen && terminal) {
        const title = `ptnet ${host.version}, pid ${host.pid}, ${now.ports.length} ports, ${rates.time.slice(11, 19)}`;
        screen(frame(rates, title, { rings: options.rings, terminal }));
      } else io.out(`${plainLines(rates, options)}\n`);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    screen?.done();
  }
}
