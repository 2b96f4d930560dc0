// The routes about programs that run in a host: captures, replayers and bridges. Files are descriptors that the asker has handed over.
import { createRoute, z } from '@hono/zod-openapi';
import { closePeerFd } from '../../native/os.ts';
import type { ProgramRequest } from '../programs/programs.ts';
import type { ControlApp } from './app.ts';
import { RequestError } from './problem.ts';
import { answer } from './routes.ts';
import { say } from './say.ts';
import type { ServedTarget } from './target.ts';

const whole = (max = Number.MAX_SAFE_INTEGER) => z.number().int().min(0).max(max);
const file = () =>
  z.string().max(64).describe('what control-fd.sock has called the file that was handed over there');

export const CaptureRequest = z.strictObject({
  kind: z.literal('capture'),
  port: z.string().describe('a port, or a member of a switch'),
  direction: z.enum(['tx', 'rx', 'both']).default('both'),
  file: file(),
  truncate: z.boolean().default(false).describe('what is in the file goes first'),
  snaplen: whole(262_144).min(1).default(262_144),
  count: whole().default(0).describe('packets after which it ends; 0: none'),
  filterText: z.string().max(4096).default('').describe('as somebody wrote it, for the file'),
  filter: z
    .base64()
    .max(2 ** 16)
    .optional()
    .describe('instructions of classic BPF, 8 bytes each'),
});

export const ReplayRequest = z.strictObject({
  kind: z.literal('replay'),
  port: z.string(),
  path: z.string().max(4096).describe("the file's name, for messages"),
  file: file(),
  speed: z
    .number()
    .min(0)
    .max(1e9)
    .default(1)
    .describe("times the file's pace; 0: as fast as the port takes it"),
  rate: whole(1e9).optional().describe('packets a second instead'),
  loops: whole().default(1).describe('0: for ever'),
  delayNs: whole().default(0),
  jitterNs: whole().default(0),
  loss: z.number().min(0).max(1).default(0),
  seed: whole().default(1),
});

export const BridgeRequest = z.strictObject({ kind: z.literal('bridge'), a: z.string(), b: z.string() });

const NewProgram = z
  .discriminatedUnion('kind', [CaptureRequest, ReplayRequest, BridgeRequest])
  .openapi('NewProgram');
/** As a client sends it. */
export type NewProgram = z.input<typeof NewProgram>;

export const ProgramSchema = z
  .object({
    id: z.number().int(),
    kind: z.enum(['capture', 'replay', 'bridge']),
    ports: z.array(z.string()),
    ended: z.boolean(),
    stats: z.record(z.string(), z.unknown()).describe('by kind; docs/programs.md'),
  })
  .openapi('Program');

const one = z.object({ id: z.string().openapi({ param: { name: 'id', in: 'path' } }) });

const routes = {
  list: createRoute({
    method: 'get',
    path: '/v1/programs',
    summary: 'captures, replayers and bridges that run in the host',
    responses: answer(z.array(ProgramSchema), 'all of them'),
  }),
  start: createRoute({
    method: 'post',
    path: '/v1/programs',
    summary: 'start one; it ends when nobody asks for it for 10 seconds',
    request: { body: { required: true, content: { 'application/json': { schema: NewProgram } } } },
    responses: answer(ProgramSchema, 'what runs now'),
  }),
  ask: createRoute({
    method: 'get',
    path: '/v1/programs/{id}',
    summary: 'how far one is',
    request: { params: one },
    responses: answer(ProgramSchema, 'one program'),
  }),
  stop: createRoute({
    method: 'delete',
    path: '/v1/programs/{id}',
    summary: 'stop one; what a capture has seen is written when it has ended',
    request: { params: one },
    responses: answer(ProgramSchema, 'one program'),
  }),
} as const;

export function addPrograms(
  app: ControlApp,
  target: ServedTarget,
  { writable }: { writable: boolean },
): void {
  const { host, files } = target;
  // Stats are numbers and texts: what JSON makes of them is the schema's.
  const state = (found: unknown, id: string) => {
    if (found) return found as z.output<typeof ProgramSchema>;
    throw new RequestError('not-found', `there is no program ${id}, or none any more`);
  };
  app.openapi(routes.list, (c) => c.json(host.programs.states as never, 200));
  app.openapi(routes.ask, (c) => {
    const { id } = c.req.valid('param');
    // Who may only ask keeps nothing running.
    const found = writable
      ? host.programs.ask(Number(id))
      : host.programs.states.find((program) => program.id === Number(id));
    return c.json(state(found, id), 200);
  });
  app.openapi(routes.stop, (c) => {
    const { id } = c.req.valid('param');
    const stopped = host.programs.stop(Number(id));
    if (stopped) say(c, target, `program ${id}: ${stopped.kind} is stopped`);
    return c.json(state(stopped, id), 200);
  });
  app.openapi(routes.start, (c) => {
    const asked = c.req.valid('json');
    const start = (request: ProgramRequest) => {
      const made = host.programs.start(request);
      say(c, target, `program ${made.id}: a ${made.kind} of ${made.ports.join(' and ')} begins`);
      return c.json(state(made, ''), 200);
    };
    if (asked.kind === 'bridge') return start(asked);
    const fd = files.take(asked.file);
    if (fd === undefined)
      throw new RequestError(
        'bad-request',
        `file: '${asked.file}' was not handed over, or is taken: a name that control-fd.sock has given would be right`,
      );
    try {
      return start(requestOf(asked, fd));
    } finally {
      closePeerFd(fd);
    }
  });
}

function requestOf(
  asked: z.output<typeof CaptureRequest> | z.output<typeof ReplayRequest>,
  fd: number,
): ProgramRequest {
  if (asked.kind === 'replay') {
    const { kind, port, rate, file: _, ...options } = asked;
    return { kind, port, options: { ...options, fd, ...(rate !== undefined && { rate }) } };
  }
  const { kind, port, direction, filter, file: _, ...options } = asked;
  return {
    kind,
    port,
    direction,
    options: {
      ...options,
      fd,
      ...(filter !== undefined && { filter: Uint8Array.from(Buffer.from(filter, 'base64')) }),
    },
  };
}
