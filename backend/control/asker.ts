// Who has sent a request: the process at the other end of the Unix socket.
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { peerCredentials } from '../../native/os.ts';

/** Nothing is known of one that has gone, or came by TCP. */
export function askerOf(c: Context<{ Bindings: HttpBindings }>): { pid?: number; uid?: number } {
  const handle = (c.env?.incoming?.socket as unknown as { _handle?: { fd?: number } } | undefined)?._handle;
  try {
    return handle?.fd === undefined || handle.fd < 0 ? {} : peerCredentials(handle.fd);
  } catch {
    return {};
  }
}
