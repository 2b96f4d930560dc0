// Native loops over a port's rings: hands the socket and the rings to the addon and takes them back afterwards.
import { PTNET } from '../../pci/ptnet/registers.ts';
import {
  type DuoEcho,
  type DuoPing,
  type LoopOptions,
  type LoopResult,
  type RunningLoop,
  startDuo,
  startLoop,
} from '../addon/index.ts';
import type { VfioUserClient } from './client.ts';
import type { GuestPort } from './port.ts';

/** What the port itself knows. */
type Known =
  | 'region'
  | 'nifpOfs'
  | 'csb'
  | 'numTxRings'
  | 'numRxRings'
  | 'netmap'
  | 'doorbell'
  | 'interrupts'
  | 'vnetHdrLen';

export type PortLoopOptions = Omit<LoopOptions, Known>;
export type PortPingOptions = Omit<DuoPing, Known>;
export type PortEchoOptions = Omit<DuoEcho, Known>;

export interface PortLoop {
  /** Resolves when the loop has ended and the port is TypeScript's again. */
  done: Promise<LoopResult>;
  stop(): void;
  progress(): { sent: bigint; received: bigint };
}

/** Where a native loop finds the rings of a port. */
export function ringsOf({ ptnet, memdev }: GuestPort) {
  return {
    region: { address: memdev.address, size: BigInt(memdev.buffer.byteLength) },
    nifpOfs: ptnet.nifpOfs,
    csb: {
      guestToHost: ptnet.csbPages.guestToHost.pointer,
      hostToGuest: ptnet.csbPages.hostToGuest.pointer,
    },
    numTxRings: ptnet.numTxRings,
    numRxRings: ptnet.numRxRings,
  };
}

/** Use GuestPort.startLoop(), which keeps a port from running two. */
export async function startPortLoop(port: GuestPort, options: PortLoopOptions): Promise<PortLoop> {
  const [loop] = await lend([port], () => [startLoop(wholeOptions(port, options))]);
  return loop!;
}

export interface PortDuo {
  ping: { port: GuestPort; options: PortPingOptions };
  echo: { port: GuestPort; options: PortEchoOptions };
}

/** Use GuestPort.startDuo(). */
export async function startPortDuo({ ping, echo }: PortDuo): Promise<[ping: PortLoop, echo: PortLoop]> {
  const [pinging, echoing] = await lend([ping.port, echo.port], () =>
    startDuo(wholeOptions(ping.port, ping.options), wholeOptions(echo.port, echo.options)),
  );
  return [pinging!, echoing!];
}

/** With what the port knows. */
function wholeOptions<O extends object>(port: GuestPort, options: O) {
  const { ptnet } = port;
  const { fd } = ptnet.pci.device.client;
  return {
    src: ptnet.mac,
    ...options,
    vnetHdrLen: ptnet.vnetHdrLen,
    ...ringsOf(port),
    doorbell: { fd, region: PTNET.IO_BAR, base: PTNET.KICK_BASE, wait: ptnet.doorbellWaits },
    interrupts: port.rings.map(({ interrupt }) => interrupt?.fd ?? -1),
  };
}

/** `start` gets the sockets for itself and gives a loop for each port; each port comes back when its loop is done. */
async function lend(ports: readonly GuestPort[], start: () => readonly RunningLoop[]): Promise<PortLoop[]> {
  const paused: VfioUserClient[] = [];
  try {
    for (const { ptnet } of ports) {
      const { client } = ptnet.pci.device;
      await client.pause();
      paused.push(client);
    }
    return start().map((loop, i) => {
      const done = loop.done.then((result) => {
        paused[i]!.resume();
        ports[i]!.reload();
        return result;
      });
      return { done, stop: () => loop.stop(), progress: () => loop.progress() };
    });
  } catch (error) {
    for (const client of paused) client.resume();
    throw error;
  }
}
