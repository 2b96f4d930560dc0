// A host that goes on in another one's place: what this process is asked by signals, and does when it fails, while all that it has is the other one's.
import { writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { handover } from '../../native/handover.ts';
import type { HostConfig } from '../config/host-config.ts';
import { ServedHost, type ServeOptions, type TakingOver } from '../control/serve.ts';
import { ConfigurationError } from '../errors.ts';
import { EXIT_FAILED } from './io.ts';
import type { AsItRuns } from './up.ts';

const STDOUT = 1;
const STDERR = 2;

/**
 * A signal ends this process at once until the other one has let go, and the host after that. What fails ends it too, and is not
 * undone: it would be undone for the host that goes on.
 * @throws ConfigurationError when it was asked to end before it began
 */
export async function takeOver(
  config: HostConfig | AsItRuns,
  options: ServeOptions,
  { json, ...own }: Pick<TakingOver, 'store' | 'startedBy'> & { json: boolean },
): Promise<ServedHost> {
  let asked = false;
  const note = () => {
    asked = true;
  };
  // SIGHUP is not among them when it is ignored, and stays so.
  const signals = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).filter(
    (name) => process.listenerCount(name) > 0,
  );
  for (const signal of signals) process.on(signal, note);
  // What has come until now is heard in a turn of the event loop, and by whoever listens.
  await setImmediate();
  const handlers = signals.map((signal) => process.listeners(signal).filter((each) => each !== note));
  for (const signal of signals) process.removeAllListeners(signal);
  if (asked) throw new ConfigurationError(`${config.runDir}: not taken over: asked to end before it began`);
  try {
    const beforeServing = () => {
      for (const [i, signal] of signals.entries())
        for (const handler of handlers[i] ?? []) process.on(signal, handler);
    };
    const renewed = (pid: number): never => {
      const text = `# ${config.runDir}: process ${pid} goes on, which the host there has started`;
      writeSync(STDOUT, `${json ? JSON.stringify({ pid }) : text}\n`);
      return handover.exitNow(0);
    };
    return ServedHost.takeOver(config, options, { ...own, renewed, beforeServing });
  } catch (error) {
    try {
      writeSync(STDERR, `ptnet: ${(error as Error).message}\n`);
    } catch {
      // Nobody reads it; it ends all the same.
    }
    return handover.exitNow(EXIT_FAILED);
  }
}
