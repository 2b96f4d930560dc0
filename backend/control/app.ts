// The control API: what each route does with the host.
import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { configText } from '../config/write.ts';
import { METRICS_TYPE, metricsText } from '../metrics/metrics.ts';
import { VERSION } from '../version.ts';
import { addChanges } from './change-handlers.ts';
import { entryOf } from './edits.ts';
import { formatMac } from './mac.ts';
import { addPersistentPorts } from './persistent.ts';
import { PROBLEM_TYPE, type Problem, problem, problemOf } from './problem.ts';
import { addPrograms } from './programs.ts';
import { configRoute, metricsRoute, reads } from './routes.ts';
import type { StatsState } from './schemas.ts';
import type { ControlTarget, LogLevel, ServedTarget } from './target.ts';

export type ControlApp = OpenAPIHono<{ Bindings: HttpBindings }>;

/** A configuration file of a thousand VMs has a tenth of this. */
export const BODY_BYTES_MAX = 2 ** 20;

const startedAt = new Date().toISOString();

/** @param writable whether who comes by this one may change the host. */
export function createApp(target: ServedTarget, { writable }: { writable: boolean }): ControlApp {
  const app: ControlApp = new OpenAPIHono({
    defaultHook: (result, c) => {
      if (result.success) return undefined;
      const lines = result.error.issues.map(
        ({ path, message }) => `${path.join('.') || 'the body'}: ${message}`,
      );
      return sendProblem(c, problem('bad-request', lines.join('; '), lines));
    },
  });
  app.use(
    bodyLimit({
      maxSize: BODY_BYTES_MAX,
      onError: (c) =>
        sendProblem(
          c,
          problem('too-large', `the body has more than ${BODY_BYTES_MAX} bytes: fewer would be right`),
        ),
    }),
  );
  app.use(async (c, next) => {
    if (writable || c.req.method === 'GET' || c.req.method === 'HEAD') return next();
    return sendProblem(
      c,
      problem(
        'read-only',
        `${c.req.method}: nothing is changed by this socket: 'control.sock' beside it would be right`,
      ),
    );
  });
  app.notFound((c) =>
    sendProblem(c, problem('not-found', `there is no ${c.req.path}: /v1/openapi.json has all paths`)),
  );
  app.onError((error, c) => sendProblem(c, problemOf(error)));
  addReads(app, target);
  addFigures(app, target);
  addChanges(app, target);
  addPersistentPorts(app, target);
  addPrograms(app, target, { writable });
  app.get('/v1/openapi.json', (c) => c.json(openApi(app)));
  return app;
}

function sendProblem(c: Context, what: Problem): Response {
  return c.body(JSON.stringify(what), what.status, { 'Content-Type': PROBLEM_TYPE });
}

function addReads(app: ControlApp, target: ControlTarget): void {
  const { host } = target;
  const byName = <V extends { name: string }>(all: readonly V[]) =>
    new Map(all.map((each) => [each.name, each]));
  app.openapi(reads.host, (c) => {
    const { engine, runDir } = host.config;
    return c.json(
      {
        api: 1 as const,
        version: VERSION,
        pid: process.pid,
        startedAt,
        ...(target.file !== undefined && { file: target.file }),
        runDir,
        logLevel: target.log.level as LogLevel,
        policy: engine.policy,
        spinUs: engine.spinUs,
        workers: engine.workers,
      },
      200,
    );
  });
  app.openapi(reads.vms, (c) => c.json(host.state().vms, 200));
  app.openapi(reads.vm, (c) => c.json(entryOf(byName(host.state().vms), 'VM', c.req.valid('param').vm), 200));
  app.openapi(reads.ports, (c) => c.json(host.state().ports, 200));
  app.openapi(reads.port, (c) =>
    c.json(entryOf(byName(host.state().ports), 'port', c.req.valid('param').port), 200),
  );
  app.openapi(reads.members, (c) => c.json(host.state().members, 200));
  app.openapi(reads.switches, (c) => c.json(host.state().switches, 200));
  app.openapi(reads.switch, (c) =>
    c.json(entryOf(byName(host.state().switches), 'switch', c.req.valid('param').switch), 200),
  );
  app.openapi(reads.stations, (c) => {
    const name = c.req.valid('param').switch;
    entryOf(byName(host.state().switches), 'switch', name);
    const stations = host.stations(name).map(({ mac, ...rest }) => ({ mac: formatMac(mac), ...rest }));
    return c.json(stations, 200);
  });
  app.openapi(reads.regions, (c) => c.json(host.state().regions, 200));
  app.openapi(reads.workers, (c) => c.json(host.state().workers, 200));
}

function addFigures(app: ControlApp, { host }: ControlTarget): void {
  app.openapi(reads.stats, (c) => c.json(host.stats() as StatsState, 200));
  app.openapi(
    configRoute,
    (c) => c.body(configText(host.config), 200, { 'Content-Type': 'application/yaml' }) as never,
  );
  app.openapi(
    metricsRoute,
    async (c) => c.body(await metricsText(host), 200, { 'Content-Type': METRICS_TYPE }) as never,
  );
}

/** The OpenAPI document of all routes. */
export function openApi(app: ControlApp): object {
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'ptnetmap control API',
      version: '1',
      description:
        'Over the Unix sockets control.sock and control-ro.sock in the run-dir of a host. docs/control.md explains it.',
      license: { name: 'BSD-2-Clause' },
    },
    servers: [{ url: 'http://localhost' }],
  });
}
