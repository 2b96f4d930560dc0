// The routes about persistent ports: switch ports with a name of their own, which stay when no program has them open.
import { constants } from 'node:os';
import { createRoute, z } from '@hono/zod-openapi';
import { ProtocolError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { ControlApp } from './app.ts';
import { askerOf } from './asker.ts';
import { type ProblemKind, RequestError } from './problem.ts';
import { answer } from './routes.ts';
import { say } from './say.ts';
import type { ControlTarget } from './target.ts';

const u16 = () => z.number().int().min(0).max(65_535);
const u32 = () =>
  z
    .number()
    .int()
    .min(0)
    .max(2 ** 32 - 1);

const NewPersistentPort = z
  .strictObject({
    txSlots: u32().default(0),
    rxSlots: u32().default(0),
    txRings: u16().default(0),
    rxRings: u16().default(0),
    memId: u16().default(0).describe('the id of the region that it is to lie in'),
  })
  .describe('0: the host chooses')
  .openapi('NewPersistentPort');
/** As a client sends it. */
export type NewPersistentPort = z.input<typeof NewPersistentPort>;

const PersistentPortSchema = z
  .object({
    name: z.string(),
    uid: z.number().int().describe('whose it is'),
    txSlots: u32(),
    rxSlots: u32(),
    txRings: u16(),
    rxRings: u16(),
    memId: u16().describe('0: the region of whoever attaches it'),
    attachedAs: z.array(z.string()).describe('its ports on switches'),
  })
  .openapi('PersistentPort');
export type PersistentPortState = z.infer<typeof PersistentPortSchema>;

const key = (name: string) => z.string().openapi({ param: { name, in: 'path' } });
const one = z.object({ name: key('name') });
const place = z.object({ name: key('name'), switch: key('switch') });
const path = '/v1/persistent-ports/{name}';
const as = answer(PersistentPortSchema, 'what it is now');
const gone = answer(PersistentPortSchema, 'what it was');

const routes = {
  list: createRoute({
    method: 'get',
    path: '/v1/persistent-ports',
    summary: 'switch ports with names of their own, on switches or on none',
    responses: answer(z.array(PersistentPortSchema), 'all of them'),
  }),
  create: createRoute({
    method: 'put',
    path,
    summary: 'make one',
    request: {
      params: one,
      body: { required: true, content: { 'application/json': { schema: NewPersistentPort } } },
    },
    responses: as,
  }),
  remove: createRoute({
    method: 'delete',
    path,
    summary: 'remove one that is on no switch',
    request: { params: one },
    responses: gone,
  }),
  attach: createRoute({
    method: 'put',
    path: `${path}/switches/{switch}`,
    summary: 'put one on a switch, where it is a port of its name',
    request: { params: place },
    responses: as,
  }),
  detach: createRoute({
    method: 'delete',
    path: `${path}/switches/{switch}`,
    summary: 'take one off a switch',
    request: { params: place },
    responses: as,
  }),
} as const;

const KINDS: Readonly<Record<number, ProblemKind>> = {
  [constants.errno.ENXIO]: 'not-found',
  [constants.errno.EINVAL]: 'invalid',
};

export function addPersistentPorts(app: ControlApp, target: ControlTarget): void {
  const { host } = target;
  app.openapi(routes.list, (c) => c.json([...(host.persistentPorts?.states ?? [])] as never, 200));
  app.openapi(routes.create, (c) => {
    const { name } = c.req.valid('param');
    // Who has gone meanwhile leaves it to the host's own user.
    const uid = askerOf(c).uid ?? process.getuid!();
    attempt(() => served(host).create(name, uid, { ...c.req.valid('json'), extraBufs: 0 }));
    say(c, target, `persistent-ports: ${name} is made`);
    return c.json(stateOf(host, name), 200);
  });
  app.openapi(routes.remove, (c) => {
    const { name } = c.req.valid('param');
    const was = stateOf(host, name);
    attempt(() => served(host).remove(name, was.uid));
    say(c, target, `persistent-ports: ${name} is removed`);
    return c.json(was, 200);
  });
  app.openapi(routes.attach, (c) => {
    const { name, switch: vale } = c.req.valid('param');
    const { uid } = stateOf(host, name);
    attempt(() => served(host).attach(`${vale}:${name}`, uid));
    say(c, target, `persistent-ports: ${name} is on ${vale}`);
    return c.json(stateOf(host, name), 200);
  });
  app.openapi(routes.detach, (c) => {
    const { name, switch: vale } = c.req.valid('param');
    const { uid } = stateOf(host, name);
    attempt(() => served(host).detach(`${vale}:${name}`, uid));
    say(c, target, `persistent-ports: ${name} is off ${vale}`);
    return c.json(stateOf(host, name), 200);
  });
}

function served({ persistentPorts }: Host) {
  if (persistentPorts) return persistentPorts;
  throw new RequestError(
    'refused',
    "no applications are served here, and no persistent ports: 'applications: {}' in the file would be right",
  );
}

function stateOf(host: Host, name: string): PersistentPortState {
  const found = served(host).states.find((port) => port.name === name);
  if (found) return { ...found, attachedAs: [...found.attachedAs] };
  throw new RequestError('not-found', `${name}: no persistent port has that name`);
}

/** What programs get as an error number is a problem here. */
function attempt<T>(change: () => T): T {
  try {
    return change();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new RequestError(KINDS[error.errno] ?? 'refused', error.message, { cause: error });
  }
}
