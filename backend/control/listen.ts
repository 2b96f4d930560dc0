// How the sockets of the control API begin to listen, and what becomes of what goes wrong with one later.
import type { ListenOptions, Server } from 'node:net';
import type { Complaints } from '../complaints.ts';

/**
 * Nobody but this user may connect before the caller has given the socket away: Node makes it with what the umask leaves.
 * An error that comes later (no descriptor left for another connection) is a complaint; the socket goes on.
 * @throws Error of listen(2) or bind(2)
 */
export function listen(server: Server, where: ListenOptions, complaints: Complaints): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const before = process.umask(0o177);
    try {
      server.listen(where, () => {
        server.off('error', reject);
        complainOf(server, complaints);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

/** As listen(), at once, with a socket that listens already: it is taken, and nobody is accepted before the event loop turns. @throws Error */
export function goOnListening(server: Server, fd: number, complaints: Complaints): void {
  complainOf(server, complaints);
  server.listen({ fd });
  if (!server.listening) throw new Error(`descriptor ${fd}: no socket that listens`);
}

function complainOf(server: Server, complaints: Complaints): void {
  server.on('error', (error) => complaints.add('socket', error.message, { details: { err: error } }));
}
