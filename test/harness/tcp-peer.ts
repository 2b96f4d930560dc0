/** TCP between two network namespaces: each end sends noise and says what it received, by its checksum. */
import { createHash } from 'node:crypto';
import { execa } from 'execa';
import type { Netns } from './netns.ts';

/** Both ends at once; bytes of one seed are the same everywhere. */
const END = `
const { createHash } = require('node:crypto');
const net = require('node:net');
const [role, host, bytes, seed] = process.argv.slice(1);
const noise = Buffer.alloc(Number(bytes));
let x = Number(seed) >>> 0;
for (let i = 0; i < noise.length; i++) noise[i] = (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) >>> 24;
const talk = (socket, over) => {
  const hash = createHash('sha256');
  socket.on('data', (chunk) => hash.update(chunk));
  socket.on('end', () => over(hash.digest('hex')));
  socket.end(noise);
};
const report = (got) => { console.log(got + ' ' + createHash('sha256').update(noise).digest('hex')); };
if (role === 'server') {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    talk(socket, report);
    server.close();
  });
  server.listen(7000, host);
} else {
  const attempt = (left) => {
    const socket = net.connect({ port: 7000, host, allowHalfOpen: true });
    socket.once('connect', () => talk(socket, report));
    socket.once('error', (error) => {
      if (left === 0) throw error;
      setTimeout(() => attempt(left - 1), 100);
    });
  };
  attempt(300);
}
`;

/** What each end received and what it sent, as checksums. */
export interface TcpEnd {
  readonly got: string;
  readonly sent: string;
}

/** A connection from one namespace to `host` in the other; both send `bytes` at once. `cancel` ends it before that. */
export async function tcpBothWays(
  from: Netns,
  to: Netns,
  host: string,
  bytes: number,
  cancel?: AbortSignal,
): Promise<{ client: TcpEnd; server: TcpEnd }> {
  const end = async (netns: Netns, role: string, seed: string): Promise<TcpEnd> => {
    const [program, ...before] = netns.within;
    const args = [...before, process.execPath, '-e', END, role, host, String(bytes), seed];
    const { stdout } = await execa(program!, args, cancel ? { cancelSignal: cancel } : {});
    const [got = '', sent = ''] = stdout.split(' ');
    return { got, sent };
  };
  const [server, client] = await Promise.all([end(to, 'server', '1'), end(from, 'client', '2')]);
  return { client, server };
}

/** The checksum of nothing: for tests that want to be sure that something came. */
export const NOTHING = createHash('sha256').digest('hex');
