// The service manager (systemd) that has started this process, if one has: told when the host is ready, reloads, ends, and that it lives.
import { closeFd, pollReadable, sendDatagram, socketPair } from '../../native/os.ts';
import type { DescriptorStore } from '../guard/kept-fds.ts';

export interface ServiceManager {
  /** The host serves: its sockets are there. */
  ready(): void;
  /** The host takes up another configuration; ready() ends it. */
  reloading(): void;
  stopping(): void;
  /** For the process that is started when this one has died; undefined: there is no manager. */
  readonly store: DescriptorStore | undefined;
  /** Another process is what is managed from now on. @returns whether it is known that it was heard. @throws Error when it was not */
  succeed(pid: number): boolean;
  /** What that process needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Until it has read what was sent before. */
const STORE_PATIENCE_MS = 2000;

/** Pings come at half of the time after which one is missed, as sd_watchdog_enabled(3) advises. */
const PINGS = 2;

/**
 * By $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, which are taken out of `env`: no child is meant. What cannot be sent is said
 * once to `complain`, and nothing else comes of it.
 */
export function serviceManager(
  env: NodeJS.ProcessEnv = process.env,
  complain: (message: string) => void = () => {},
): ServiceManager {
  const { NOTIFY_SOCKET: address, WATCHDOG_USEC: us, WATCHDOG_PID: pid } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  let failed = false;
  const tell = (...lines: string[]): void => {
    if (address === undefined || address === '') return;
    try {
      sendDatagram(address, lines.join('\n'));
    } catch (error) {
      // A manager that does not read has a full socket: the next ping says that we live.
      if (failed || (error as { code?: string }).code === 'EAGAIN') return;
      failed = true;
      complain(`NOTIFY_SOCKET: ${(error as Error).message}`);
    }
  };
  const store = address === undefined || address === '' ? undefined : storeAt(address);
  let pings: NodeJS.Timeout | undefined;
  const watched = Number(us) > 0 && (pid === undefined || Number(pid) === process.pid);
  return {
    ready: () => {
      tell('READY=1', `MAINPID=${process.pid}`);
      // On the event loop: a host whose loop stands still is one that nobody can attach to.
      if (watched) pings ??= setInterval(() => tell('WATCHDOG=1'), Number(us) / 1000 / PINGS).unref();
    },
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => {
      clearInterval(pings);
      tell('STOPPING=1');
    },
    store,
    succeed: (pid) => {
      sendDatagram(address ?? '', `MAINPID=${pid}`, [], STORE_PATIENCE_MS);
      try {
        store?.settle();
        return true;
      } catch {
        return false;
      }
    },
    env: {
      ...(address !== undefined && { NOTIFY_SOCKET: address }),
      ...(us !== undefined && { WATCHDOG_USEC: us }),
    },
  };
}

/** FDPOLL=0: what has hung up stays, for whoever goes on to find it so. */
const storeAt = (address: string): DescriptorStore => ({
  put: (name, fd) => sendDatagram(address, `FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, [fd], STORE_PATIENCE_MS),
  remove: (name) => sendDatagram(address, `FDSTOREREMOVE=1\nFDNAME=${name}`, [], STORE_PATIENCE_MS),
  // sd_notify_barrier(3): the descriptor that comes with it is closed.
  settle: () => {
    const [ours, theirs] = socketPair();
    try {
      sendDatagram(address, 'BARRIER=1', [theirs], STORE_PATIENCE_MS);
    } finally {
      closeFd(theirs);
    }
    const settled = pollReadable(ours, STORE_PATIENCE_MS);
    closeFd(ours);
    if (!settled) throw new Error(`${address}: not answered within ${STORE_PATIENCE_MS / 1000} s`);
  },
});
