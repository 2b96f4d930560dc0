#!/usr/bin/env node
// The entry of the `ptnet` command: joins the command line to the real process, host and log.
import pino from 'pino';
import { Host } from '../host.ts';
import { processIo } from './io.ts';
import { run } from './program.ts';

const STDERR = 2;

process.exitCode = await run(process.argv.slice(2), processIo(), (config, { verbose }) => {
  // Written at once: what is said last before a crash is what one wants to read.
  const log = pino({ level: verbose ? 'debug' : 'warn' }, pino.destination({ fd: STDERR, sync: true }));
  return Host.start(config, { log });
});
