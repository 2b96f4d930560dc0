// Says in the log what somebody has had done by the API, and who that was.
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { askerOf } from './asker.ts';
import type { ControlTarget } from './target.ts';

export type Asked = Context<{ Bindings: HttpBindings }>;

/** Who has the socket's file may do this as often as he likes: the log says each, up to a point. */
export function say(c: Asked, { complaints }: Pick<ControlTarget, 'complaints'>, what: string): void {
  const { pid, uid } = askerOf(c);
  const who = pid === undefined ? '' : ` (pid ${pid}, uid ${uid})`;
  complaints.add('change', `${what}${who}`, {
    level: 'info',
    freely: 10_000,
    details: { event: 'change', pid, uid },
  });
}
