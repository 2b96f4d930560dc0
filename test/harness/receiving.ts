// A guest that receives until the host has delivered or counted all that was sent: no time is waited in vain, and none is too short.
import { expect } from 'vitest';
import type { LoopResult } from '../../guest-driver/addon/index.ts';
import type { Guest } from '../../guest-driver/model/index.ts';
import type { TestHost } from './host.ts';

/** Only ends a test that hangs. */
const WAIT_MS = 100_000;

export interface Receiving {
  /** Ends it when so many packets have been delivered to the port or lost, and the guest has seen those that were delivered. */
  all(count: number, lost?: () => number | Promise<number>): Promise<LoopResult['received']>;
}

/** On the guest's first port, `port` of the host. */
export async function startReceiving(host: TestHost, port: string, guest: Guest): Promise<Receiving> {
  const before = host.packets(port, 'rx');
  const delivered = () => host.packets(port, 'rx') - before;
  const loop = await guest.ports[0]!.startLoop({ op: 'receive', payload: 'full', sleep: true });
  return {
    async all(count, lost = () => 0) {
      await expect.poll(async () => delivered() + (await lost()), { timeout: WAIT_MS }).toBe(count);
      await expect.poll(() => Number(loop.progress().received), { timeout: WAIT_MS }).toBe(delivered());
      loop.stop();
      return (await loop.done).received;
    },
  };
}
