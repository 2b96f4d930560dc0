// `ptnet fdb`: where switches take addresses to be, and changes of that.

import { alternatives } from '../../config/nearest.ts';
import { type ControlClient, ControlError } from '../../control/index.ts';
import type { Io } from '../io.ts';
import { table } from './table.ts';

const pathOf = (vale: string): string => `/v1/switches/${encodeURIComponent(vale)}/stations`;
type Counted = { count: number };
const counted = (answer: unknown): number => (answer as Counted).count;

export async function fdbList(
  client: ControlClient,
  vale: string | undefined,
  { json }: { json: boolean },
  io: Io,
): Promise<void> {
  const names = vale === undefined ? (await client.switches()).map(({ name }) => name) : [vale];
  const all = (
    await Promise.all(
      names.map(async (name) => (await client.stations(name)).map((each) => ({ switch: name, ...each }))),
    )
  ).flat();
  if (json) return io.out(`${JSON.stringify(all)}\n`);
  if (all.length === 0) return io.err('no address is known\n');
  const rows = all.map(({ switch: on, mac, port, idleS, static: fixed }) => [
    on,
    mac,
    port,
    fixed ? 'static' : idleS === undefined ? 'learned' : `${idleS} s`,
  ]);
  io.out(table(['SWITCH', 'ADDRESS', 'PORT', 'SEEN'], rows, io));
}

export async function fdbFlush(
  client: ControlClient,
  vale: string,
  { json, port, static: withStatic }: { json: boolean; port?: string; static?: boolean },
  io: Io,
): Promise<void> {
  const query = new URLSearchParams({
    ...(port !== undefined && { port }),
    ...(withStatic && { static: 'true' }),
  });
  const count = counted(
    await client.change('DELETE', `${pathOf(vale)}${query.size === 0 ? '' : `?${query}`}`),
  );
  io.out(json ? `${JSON.stringify({ count })}\n` : `${count} forgotten\n`);
}

export async function fdbAdd(client: ControlClient, vale: string, mac: string, port: string): Promise<void> {
  const { ports, members } = await client.switch(vale);
  const on = [...ports, ...members];
  if (!on.includes(port))
    throw new ControlError(`'${port}' does not stand on ${vale}: ${alternatives(on)} would be right`);
  await client.change('PUT', `${pathOf(vale)}/${encodeURIComponent(mac)}`, { port });
}

export async function fdbRemove(client: ControlClient, vale: string, mac: string): Promise<void> {
  await client.change('DELETE', `${pathOf(vale)}/${encodeURIComponent(mac)}`);
}
