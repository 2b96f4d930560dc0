#!/usr/bin/env node
// The entry of the `ptnet` command: joins the command line to the real process, host and log.
import pino from 'pino';
import { ServedHost } from '../control/serve.ts';
import { processIo } from './io.ts';
import { run } from './program.ts';
import { serviceManager } from './service.ts';
import { takeOver } from './take-over.ts';

const STDERR = 2;

const io = processIo();

/** systemd takes a service for ended when its first process is. */
const service =
  process.env.NOTIFY_SOCKET !== undefined || process.env.SYSTEMD_EXEC_PID === String(process.pid)
    ? 'it is a service of systemd, which would end with it: cannot be handed over yet'
    : true;
const manager = serviceManager(process.env, (message) => io.err(`ptnet: ${message}\n`));

const code = await run(process.argv.slice(2), io, async (config, { verbose, rereads, ...options }) => {
  // Written at once: what is said last before a crash is what one wants to read.
  const destination = pino.destination({ fd: STDERR, sync: true });
  const log = pino({ level: verbose ? 'debug' : 'warn' }, destination);
  // What is changed, and by whom, is written whatever the level.
  const changes = pino({ level: 'info' }, destination);
  const all = { log, changes, ...(rereads && { mayBeTaken: service }), ...options };
  const served =
    options.takeOver || !('vms' in config)
      ? await takeOver(config, all)
      : await ServedHost.start(config, all);
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
