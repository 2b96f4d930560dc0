// Where a TCP listener may be: on this machine only, for whoever reaches it may read all figures.
import { isIP } from 'node:net';
import { quote } from './fields.ts';

const FORM = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)|(localhost)):(\d{1,5})$/;
const PORT_MAX = 65_535;

export interface Listener {
  readonly host: string;
  readonly port: number;
}

function parse(text: string): Listener | undefined {
  const [, v6, v4, name, port] = FORM.exec(text) ?? [];
  const host = v6 ?? v4 ?? (name === undefined ? undefined : '127.0.0.1');
  if (host === undefined || isIP(host) === 0 || Number(port) > PORT_MAX) return undefined;
  return { host, port: Number(port) };
}

const isLoopback = (host: string): boolean => host === '::1' || /^127\./.test(host);

/** What is wrong with `value`; undefined: nothing. */
export function listenerProblem(value: unknown): string | undefined {
  const found = typeof value === 'string' ? parse(value) : undefined;
  if (!found) return `${quote(value)} is not an address and a port: '127.0.0.1:9464' would be right`;
  return isLoopback(found.host)
    ? undefined
    : `${quote(value)} can be reached from elsewhere, by everybody: '127.0.0.1:${found.port}', with a proxy that asks who it is, would be right`;
}

export function listener(text: string): Listener {
  return parse(text)!;
}
