// Native loops over a port's rings: hands the socket and the rings to the addon and takes them back afterwards.
import { PTNET } from '../../pci/ptnet/registers.ts';
import { type LoopOptions, type LoopResult, startLoop } from '../addon/index.ts';
import type { GuestPort } from './port.ts';

/** What the port itself knows is left out. */
export type PortLoopOptions = Omit<
  LoopOptions,
  'region' | 'nifpOfs' | 'csb' | 'numTxRings' | 'numRxRings' | 'doorbell' | 'interrupts'
>;

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
  const { ptnet } = port;
  const { client } = ptnet.pci.device;
  await client.pause();
  try {
    const loop = startLoop({
      src: ptnet.mac,
      ...options,
      ...ringsOf(port),
      doorbell: { fd: client.fd, region: PTNET.IO_BAR, base: PTNET.KICK_BASE, wait: ptnet.doorbellWaits },
      interrupts: port.rings.map(({ interrupt }) => interrupt?.fd ?? -1),
    });
    const done = loop.done.then((result) => {
      client.resume();
      port.reload();
      return result;
    });
    return { done, stop: () => loop.stop(), progress: () => loop.progress() };
  } catch (error) {
    client.resume();
    throw error;
  }
}
