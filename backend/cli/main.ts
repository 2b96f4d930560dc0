#!/usr/bin/env node
// The entry of the `ptnet` command: joins the command line to the real process, host and log.
import pino from 'pino';
import { ServedHost, type ServeOptions } from '../control/serve.ts';
import { ConfigurationError } from '../errors.ts';
import { givenFds } from '../guard/given.ts';
import { processIo } from './io.ts';
import { run } from './program.ts';
import { serviceManager } from './service.ts';
import { takeOver } from './take-over.ts';
import type { StartHost } from './up.ts';

const STDERR = 2;

const io = processIo();

/** systemd takes a service for ended when its first process is. */
const service =
  process.env.NOTIFY_SOCKET !== undefined || process.env.SYSTEMD_EXEC_PID === String(process.pid)
    ? 'it is a service of systemd, which would end with it: cannot be handed over yet'
    : true;
const given = givenFds(process.env);
const manager = serviceManager(process.env, (message) => io.err(`ptnet: ${message}\n`));

function serve(
  config: Parameters<StartHost>[0],
  options: ServeOptions & { takeOver?: boolean },
): Promise<ServedHost> {
  if (typeof config !== 'function')
    return options.takeOver || !('vms' in config)
      ? takeOver(config, options)
      : ServedHost.start(config, options);
  const { store } = manager;
  if (store === undefined)
    throw new ConfigurationError(
      "--keep: nobody keeps it, as NOTIFY_SOCKET is not set: '--guard', or a service of systemd, would be right",
    );
  const mayBeTaken = 'it is kept for the case that it dies: cannot be handed over yet';
  return ServedHost.startKept(config, { ...options, mayBeTaken }, { store, given });
}

const code = await run(process.argv.slice(2), io, async (config, { verbose, rereads, ...options }) => {
  // Written at once: what is said last before a crash is what one wants to read.
  const destination = pino.destination({ fd: STDERR, sync: true });
  const log = pino({ level: verbose ? 'debug' : 'warn' }, destination);
  // What is changed, and by whom, is written whatever the level.
  const changes = pino({ level: 'info' }, destination);
  const all = { log, changes, ...(rereads && { mayBeTaken: service }), ...options };
  const served = await serve(config, all);
  if (rereads)
    process.removeAllListeners('SIGHUP').on('SIGHUP', () => {
      manager.reloading();
      served.reload();
      manager.ready();
    });
  manager.ready();
  return {
    get config() {
      return served.host.config;
    },
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
