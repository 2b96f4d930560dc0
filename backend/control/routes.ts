// The routes of the control API: paths, what they take and what they give. The OpenAPI document is made from these.
import { createRoute, z } from '@hono/zod-openapi';
import { PROBLEM_TYPE } from './problem.ts';
import * as schemas from './schemas.ts';

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});
const problems = {
  default: {
    description: 'what is wrong, and what would be right',
    content: { [PROBLEM_TYPE]: { schema: schemas.ProblemSchema } },
  },
} as const;

/** What a route answers when all is well; else with a problem. */
export const answer = <S extends z.ZodType>(schema: S, description: string) => ({
  200: json(schema, description),
  ...problems,
});

const name = (what: string) => z.string().openapi({ param: { name: what, in: 'path' } });
const yes = z.enum(['true', 'false', '1', '0']).optional();

const get = <P extends string, S extends z.ZodType>(path: P, schema: S, summary: string) =>
  createRoute({ method: 'get', path, summary, responses: answer(schema, summary) });

const getOne = <P extends string, W extends string, S extends z.ZodType>(
  path: P,
  what: W,
  schema: S,
  summary: string,
) =>
  createRoute({
    method: 'get',
    path,
    summary,
    request: { params: z.object({ [what]: name(what) } as Record<W, ReturnType<typeof name>>) },
    responses: answer(schema, summary),
  });

export const reads = {
  host: get('/v1/host', schemas.HostSchema, 'the host itself'),
  vms: get('/v1/vms', z.array(schemas.VmSchema), 'all VMs, with the state of their devices'),
  vm: getOne('/v1/vms/{vm}', 'vm', schemas.VmSchema, 'one VM'),
  ports: get('/v1/ports', z.array(schemas.PortSchema), "all ports of devices, with their rings' counters"),
  port: getOne('/v1/ports/{port}', 'port', schemas.PortSchema, 'one port'),
  members: get('/v1/members', z.array(schemas.MemberSchema), 'who stands on switches without a VM'),
  switches: get('/v1/switches', z.array(schemas.SwitchSchema), 'all switches'),
  switch: getOne('/v1/switches/{switch}', 'switch', schemas.SwitchSchema, 'one switch'),
  stations: getOne(
    '/v1/switches/{switch}/stations',
    'switch',
    z.array(schemas.StationSchema),
    'where a switch takes addresses to be',
  ),
  regions: get('/v1/regions', z.array(schemas.RegionSchema), 'all memory regions'),
  workers: get('/v1/workers', z.array(schemas.WorkerSchema), 'the threads that move packets'),
  stats: get('/v1/stats', schemas.StatsSchema, 'all figures at once'),
} as const;

export const configRoute = createRoute({
  method: 'get',
  path: '/v1/config',
  summary: 'what the host is now, as a configuration file',
  responses: {
    200: { description: 'YAML', content: { 'application/yaml': { schema: z.string() } } },
    ...problems,
  },
});

export const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'the figures for Prometheus',
  responses: {
    200: { description: 'text exposition format', content: { 'text/plain': { schema: z.string() } } },
    ...problems,
  },
});

type Method = 'post' | 'put' | 'patch' | 'delete';

const paramsOf = <K extends string>(keys: readonly K[]) =>
  z.object(Object.fromEntries(keys.map((key) => [key, name(key)])) as Record<K, ReturnType<typeof name>>);
const changed = answer(schemas.ChangesSchema, 'what has changed');

const MemberQuery = schemas.ChangeQuery.extend({
  'host-side': z.string().optional().describe("with `true`, the machine's own side of an interface too"),
});

/** Takes a JSON object, and gives what has changed. */
function change<P extends string, K extends string, B extends z.ZodType>(
  method: Exclude<Method, 'delete'>,
  path: P,
  keys: readonly K[],
  summary: string,
  body: B,
) {
  return changeWith(schemas.ChangeQuery, method, path, keys, summary, body);
}

function changeWith<Q extends z.ZodObject, P extends string, K extends string, B extends z.ZodType>(
  query: Q,
  method: Exclude<Method, 'delete'>,
  path: P,
  keys: readonly K[],
  summary: string,
  body: B,
) {
  return createRoute({
    method,
    path,
    summary,
    request: {
      params: paramsOf(keys),
      query,
      body: { required: true, content: { 'application/json': { schema: body } } },
    },
    responses: changed,
  });
}

function removal<P extends string, K extends string>(path: P, keys: readonly K[], summary: string) {
  return removalWith(schemas.ChangeQuery, path, keys, summary);
}

function removalWith<Q extends z.ZodObject, P extends string, K extends string>(
  query: Q,
  path: P,
  keys: readonly K[],
  summary: string,
) {
  const request = { params: paramsOf(keys), query };
  return createRoute({ method: 'delete', path, summary, request, responses: changed });
}

export const changes = {
  host: change(
    'patch',
    '/v1/host',
    [],
    'change policy, spin time or the level of the log',
    schemas.HostPatch,
  ),
  addVm: change('post', '/v1/vms', [], 'add a VM with its devices', schemas.NewVm),
  removeVm: removal('/v1/vms/{vm}', ['vm'], 'remove a VM'),
  attach: change('post', '/v1/vms/{vm}/devices', ['vm'], 'add a device to a VM', schemas.NewDevice),
  device: change(
    'patch',
    '/v1/vms/{vm}/devices/{device}',
    ['vm', 'device'],
    'change a device',
    schemas.DevicePatch,
  ),
  detach: removal('/v1/vms/{vm}/devices/{device}', ['vm', 'device'], 'remove a device'),
  port: change(
    'patch',
    '/v1/ports/{port}',
    ['port'],
    'change rate, storm control, source or sink',
    schemas.PortPatch,
  ),
  switch: change('patch', '/v1/switches/{switch}', ['switch'], 'change a switch', schemas.SwitchPatch),
  join: changeWith(
    MemberQuery,
    'put',
    '/v1/switches/{switch}/members/{member}',
    ['switch', 'member'],
    'put a tap or an interface on a switch',
    schemas.NewMember,
  ),
  leave: removalWith(
    MemberQuery,
    '/v1/switches/{switch}/members/{member}',
    ['switch', 'member'],
    'take a member off',
  ),
  addRegion: change('put', '/v1/regions/{region}', ['region'], 'add a memory region', schemas.FileSection),
  removeRegion: removal('/v1/regions/{region}', ['region'], 'remove a memory region that nobody is in'),
} as const;

export const applyRoute = createRoute({
  method: 'put',
  path: '/v1/config',
  summary: 'bring the host to what a configuration file says, all of it or nothing',
  request: {
    query: schemas.ChangeQuery.extend({
      file: z.string().optional().describe('its name, for messages'),
      folder: z
        .string()
        .startsWith('/')
        .optional()
        .describe('where relative paths in it start; without it they are mistakes'),
    }),
    body: { required: true, content: { 'application/yaml': { schema: z.string() } } },
  },
  responses: answer(schemas.ChangesSchema, 'what has changed'),
});

const stationParams = z.object({ switch: name('switch'), mac: name('mac') });

export const stationRoutes = {
  put: createRoute({
    method: 'put',
    path: '/v1/switches/{switch}/stations/{mac}',
    summary: 'say where an address is, whatever is learned',
    request: {
      params: stationParams,
      body: {
        required: true,
        content: { 'application/json': { schema: z.strictObject({ port: z.string() }) } },
      },
    },
    responses: { 200: json(schemas.CountSchema, 'how many'), ...problems },
  }),
  remove: createRoute({
    method: 'delete',
    path: '/v1/switches/{switch}/stations/{mac}',
    summary: 'forget an address',
    request: { params: stationParams },
    responses: { 200: json(schemas.CountSchema, 'how many'), ...problems },
  }),
  flush: createRoute({
    method: 'delete',
    path: '/v1/switches/{switch}/stations',
    summary: 'forget what has been learned',
    request: {
      params: z.object({ switch: name('switch') }),
      query: z.strictObject({ port: z.string().optional(), static: yes.describe('static ones too') }),
    },
    responses: { 200: json(schemas.CountSchema, 'how many'), ...problems },
  }),
} as const;
