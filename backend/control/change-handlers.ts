// The routes that change a host: the next configuration is made and checked, then all of it is done, or nothing.
import { formatChange } from '../changes/difference.ts';
import type { HostConfig } from '../config/host-config.ts';
import { parseConfig } from '../config/load.ts';
import { macBytes, macProblem } from '../config/mac.ts';
import { readNumaNodes } from '../config/numa-nodes.ts';
import { configWarnings } from '../config/warnings.ts';
import { ConfigurationError } from '../errors.ts';
import type { ControlApp } from './app.ts';
import type { JsonObject } from './edits.ts';
import * as edits from './edits.ts';
import { RequestError } from './problem.ts';
import { applyRoute, changes, stationRoutes } from './routes.ts';
import { type Asked, say } from './say.ts';
import type { ChangesState } from './schemas.ts';
import type { ControlTarget } from './target.ts';

type Query = { 'dry-run'?: string | undefined; force?: string | undefined };

const isYes = (value: string | undefined): boolean => value === 'true' || value === '1';

export function addChanges(app: ControlApp, target: ControlTarget): void {
  addDeviceChanges(app, target);
  addNetworkChanges(app, target);
  addStationChanges(app, target);
  app.openapi(changes.host, (c) => {
    const { logLevel, policy, spinUs } = c.req.valid('json');
    const query = c.req.valid('query');
    const engine = { ...(policy !== undefined && { policy }), ...(spinUs !== undefined && { spinUs }) };
    const done = change(c, target, query, (config) => edits.changeEngine(config, engine));
    const from = target.log.level;
    if (logLevel === undefined || logLevel === from) return c.json(done, 200);
    if (!isYes(query['dry-run'])) {
      target.log.level = logLevel;
      say(c, target, `log-level: ${from} -> ${logLevel}`);
    }
    const level = { path: 'log-level', op: 'change' as const, from, to: logLevel };
    return c.json({ ...done, changes: [...done.changes, level] }, 200);
  });
  app.openapi(applyRoute, (c) => {
    const { file, folder, ...query } = c.req.valid('query');
    return c.req.text().then((text) => {
      const done = change(c, target, query, (config) =>
        withPlaces(() =>
          parseConfig(text, file ?? 'the file', target.overrides, readNumaNodes(), config, folder ?? null),
        ),
      );
      return c.json(done, 200);
    });
  });
}

/** Answers with what has changed. */
const answers =
  (target: ControlTarget) => (c: Asked, query: Query, next: (config: HostConfig) => HostConfig) =>
    c.json(change(c, target, query, next), 200);

function addDeviceChanges(app: ControlApp, target: ControlTarget): void {
  const did = answers(target);
  app.openapi(changes.addVm, (c) => {
    const { name, ...vm } = c.req.valid('json');
    return did(c, c.req.valid('query'), (config) => edits.addVm(config, name, vm as JsonObject));
  });
  app.openapi(changes.removeVm, (c) => {
    const { vm } = c.req.valid('param');
    return did(c, c.req.valid('query'), (config) => edits.removeVm(config, vm));
  });
  app.openapi(changes.attach, (c) => {
    const { vm } = c.req.valid('param');
    const device = c.req.valid('json') as JsonObject;
    return did(c, c.req.valid('query'), (config) => edits.attachDevice(config, vm, device));
  });
  app.openapi(changes.device, (c) => {
    const { vm, device } = c.req.valid('param');
    const patch = c.req.valid('json') as JsonObject;
    return did(c, c.req.valid('query'), (config) => edits.changeDevice(config, vm, device, patch));
  });
  app.openapi(changes.detach, (c) => {
    const { vm, device } = c.req.valid('param');
    return did(c, c.req.valid('query'), (config) => edits.detachDevice(config, vm, device));
  });
}

function addNetworkChanges(app: ControlApp, target: ControlTarget): void {
  const did = answers(target);
  app.openapi(changes.port, (c) => {
    const { port } = c.req.valid('param');
    const patch = c.req.valid('json') as JsonObject;
    return did(c, c.req.valid('query'), (config) => edits.changePort(config, port, patch));
  });
  app.openapi(changes.switch, (c) => {
    const { switch: vale } = c.req.valid('param');
    const patch = c.req.valid('json') as JsonObject;
    return did(c, c.req.valid('query'), (config) => edits.changeSwitch(config, vale, patch));
  });
  app.openapi(changes.join, (c) => {
    const { switch: vale, member } = c.req.valid('param');
    const port = c.req.valid('json') as JsonObject;
    const { 'host-side': hostSide, ...query } = c.req.valid('query');
    const names = membersOf(member, hostSide);
    return did(c, query, (config) => edits.addMembers(config, vale, names, port));
  });
  app.openapi(changes.leave, (c) => {
    const { switch: vale, member } = c.req.valid('param');
    const { 'host-side': hostSide, ...query } = c.req.valid('query');
    const names = membersOf(member, hostSide);
    return did(c, query, (config) => edits.removeMembers(config, vale, names));
  });
  app.openapi(changes.addRegion, (c) => {
    const { region } = c.req.valid('param');
    const body = c.req.valid('json') as JsonObject;
    return did(c, c.req.valid('query'), (config) => edits.addRegion(config, region, body));
  });
  app.openapi(changes.removeRegion, (c) => {
    const { region } = c.req.valid('param');
    return did(c, c.req.valid('query'), (config) => edits.removeRegion(config, region));
  });
}

/** An interface of the host, and the machine's own side of it. */
const membersOf = (member: string, hostSide: string | undefined): string[] =>
  isYes(hostSide) ? [member, `${member}^`] : [member];

function addStationChanges(app: ControlApp, target: ControlTarget): void {
  const { host } = target;
  app.openapi(stationRoutes.put, (c) => {
    const { switch: vale, mac } = c.req.valid('param');
    const { port } = c.req.valid('json');
    host.putStation(vale, parseMac(mac), port);
    say(c, target, `switches.${vale}: station ${mac} is at ${port}`);
    return c.json({ count: 1 }, 200);
  });
  app.openapi(stationRoutes.remove, (c) => {
    const { switch: vale, mac } = c.req.valid('param');
    const count = host.removeStations(vale, { mac: parseMac(mac), static: true });
    if (count === 0) throw new RequestError('not-found', `${vale}: '${mac}' is not known there`);
    say(c, target, `switches.${vale}: station ${mac} is forgotten`);
    return c.json({ count }, 200);
  });
  app.openapi(stationRoutes.flush, (c) => {
    const { port, static: withStatic } = c.req.valid('query');
    const which = { ...(port !== undefined && { port }), static: isYes(withStatic) };
    const { switch: vale } = c.req.valid('param');
    const count = host.removeStations(vale, which);
    say(c, target, `switches.${vale}: ${count} stations are forgotten`);
    return c.json({ count }, 200);
  });
}

function parseMac(text: string): Uint8Array {
  const wrong = macProblem(text, { multicast: false });
  if (wrong !== undefined) throw new RequestError('bad-request', wrong);
  return macBytes(text.toLowerCase());
}

/** Whoever sent a file has it before him: its mistakes are told with their places. */
function withPlaces(parse: () => HostConfig): HostConfig {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ConfigurationError) || error.found.length === 0) throw error;
    const problems = error.found.map(({ described }) => described);
    throw new ConfigurationError(error.message, { cause: error, problems, found: error.found });
  }
}

/** All in one turn of the event loop: whoever else asks for a change finds this one done, or not begun. */
function change(
  c: Asked,
  target: ControlTarget,
  query: Query,
  next: (config: HostConfig) => HostConfig,
): ChangesState {
  const { host } = target;
  const config = next(host.config);
  const warnings = configWarnings(config).filter((warning) => !configWarnings(host.config).includes(warning));
  const force = isYes(query.force);
  if (isYes(query['dry-run'])) {
    const { changes: all, refused } = host.preview(config, { force });
    return { changes: all, refused: refused.map(({ text }) => text), warnings };
  }
  const done = host.apply(config, { force });
  for (const one of done) say(c, target, formatChange(one));
  return { changes: done, refused: [], warnings };
}
