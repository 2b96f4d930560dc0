#!/usr/bin/env node
// The entry of the `ptnet` command: joins the command line to the real process, host and log.
import { writeSync } from 'node:fs';
import pino from 'pino';
import { handover } from '../../native/handover.ts';
import { ServedHost } from '../control/serve.ts';
import { EXIT_FAILED, processIo } from './io.ts';
import { run } from './program.ts';
import { serviceManager } from './service.ts';

const STDERR = 2;

const io = processIo();

/** What fails on the way is not undone: it would be undone for the host that goes on. */
async function startOrEnd(start: () => Promise<ServedHost>): Promise<ServedHost> {
  try {
    return await start();
  } catch (error) {
    try {
      writeSync(STDERR, `ptnet: ${(error as Error).message}\n`);
    } catch {
      // Nobody reads it; it ends all the same.
    }
    return handover.exitNow(EXIT_FAILED);
  }
}

/** systemd takes a service for ended when its first process is. */
const service =
  process.env.NOTIFY_SOCKET !== undefined || process.env.SYSTEMD_EXEC_PID === String(process.pid)
    ? 'it is a service of systemd, which would end with it: cannot be handed over yet'
    : true;
const manager = serviceManager(process.env, (message) => io.err(`ptnet: ${message}\n`));

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

const code = await run(process.argv.slice(2), io, async (config, { verbose, rereads, ...options }) => {
  // Written at once: what is said last before a crash is what one wants to read.
  const destination = pino.destination({ fd: STDERR, sync: true });
  const log = pino({ level: verbose ? 'debug' : 'warn' }, destination);
  // What is changed, and by whom, is written whatever the level.
  const changes = pino({ level: 'info' }, destination);
  // Whoever is asked to end before it serves ends by that, at once: what it has by then is another host's.
  const handlers = options.takeOver ? SIGNALS.map((signal) => process.listeners(signal)) : [];
  if (options.takeOver) for (const signal of SIGNALS) process.removeAllListeners(signal);
  const beforePrepared = () => {
    for (const [i, signal] of SIGNALS.entries())
      for (const each of handlers[i] ?? []) process.on(signal, each);
  };
  const start = () =>
    ServedHost.start(config, {
      log,
      changes,
      ...(rereads && { mayBeTaken: service, beforePrepared }),
      ...options,
    });
  const served = options.takeOver ? await startOrEnd(start) : await start();
  if (rereads)
    process.removeAllListeners('SIGHUP').on('SIGHUP', () => {
      manager.reloading();
      served.reload();
      manager.ready();
    });
  manager.ready();
  return {
    get attached() {
      return served.host.attached;
    },
    programs: served.host.programs,
    stats: () => served.stats(),
    close: () => {
      manager.stopping();
      return served.close();
    },
  };
});
process.exitCode = await io.exitCode(code);
