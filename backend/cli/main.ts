#!/usr/bin/env node
// The entry of the `ptnet` command: joins the command line to the real process, host and log.
import { spawn } from 'node:child_process';
import pino from 'pino';
import { closeFd } from '../../native/os.ts';
import { ServedHost, type ServeOptions } from '../control/serve.ts';
import { ConfigurationError } from '../errors.ts';
import { givenFds } from '../guard/given.ts';
import { awaitTurn } from '../guard/turn.ts';
import type { Manager } from '../upgrade/renewal.ts';
import { processIo } from './io.ts';
import { run } from './program.ts';
import { serviceManager } from './service.ts';
import { takeOver } from './take-over.ts';
import type { HostOptions, StartHost } from './up.ts';

const STDERR = 2;

// Whoever has started it may have ended before its turn came. Before anything hears signals: until then they end it.
const given = awaitTurn(givenFds(process.env)) ?? process.exit();
const io = processIo();
const service = serviceManager(process.env, (message) => io.err(`ptnet: ${message}\n`));
/** systemd takes a service for ended when its first process is, unless it is told which one goes on. */
const mayBeTaken =
  process.env.SYSTEMD_EXEC_PID === String(process.pid) && service.store === undefined
    ? 'it is a service of systemd, which hears nothing of it, and would end it: one of Type=notify would be right'
    : true;

/** Whoever goes on in the place of this host is started by it, where its own end would be taken for the service's. */
const managerOf = ({ keep = false, successor = [] }: HostOptions): Manager => ({
  start: (runDir) => {
    const upgrade = ['upgrade', '--run-dir', runDir, '--started-by', String(process.pid), ...successor];
    return spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...upgrade], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...service.env },
    });
  },
  succeed: service.succeed,
  keeps: keep,
});

async function serve(
  config: Parameters<StartHost>[0],
  { keep = false, json = false, startedBy, takeOver: takes, ...rest }: ServeOptions & HostOptions,
): Promise<ServedHost> {
  const { store } = service;
  const options = { ...rest, ...(rest.mayBeTaken && store && { manager: managerOf({ keep, ...rest }) }) };
  if (!keep) for (const fd of given.values()) closeFd(fd);
  else if (store === undefined)
    throw new ConfigurationError(
      "--keep: nobody keeps it, as NOTIFY_SOCKET is not set: '--guard', or a service of systemd, would be right",
    );
  if (typeof config === 'function') return ServedHost.startKept(config, options, { store: store!, given });
  return takes || !('vms' in config)
    ? takeOver(config, options, { json, startedBy, store: keep ? store : undefined })
    : ServedHost.start(config, options);
}

const code = await run(process.argv.slice(2), io, async (config, { verbose, rereads, ...options }) => {
  // Written at once: what is said last before a crash is what one wants to read.
  const destination = pino.destination({ fd: STDERR, sync: true });
  const log = pino({ level: verbose ? 'debug' : 'warn' }, destination);
  // What is changed, and by whom, is written whatever the level.
  const changes = pino({ level: 'info' }, destination);
  const all = { log, changes, ...(rereads && { mayBeTaken }), ...options };
  const served = await serve(config, all);
  if (rereads)
    process.removeAllListeners('SIGHUP').on('SIGHUP', () => {
      service.reloading();
      served.reload();
      service.ready();
    });
  service.ready();
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
      service.stopping();
      return served.close();
    },
  };
});
process.exitCode = await io.exitCode(code);
