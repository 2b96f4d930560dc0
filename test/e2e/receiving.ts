// A VM that receives while something happens: what arrives is as it was sent, or does not arrive; and QEMU killed meanwhile.
import { expect } from 'vitest';
import type { Vm } from '../../vm-images/machine/vm.ts';
import type { TestHost } from '../harness/host.ts';
import { boot } from './vms.ts';

export const WAIT_MS = 120_000;

export interface Receiver {
  readonly h: TestHost;
  readonly vm: Vm;
  readonly port: string;
  /** Bytes of the virtio-net header that it asks for. */
  readonly vnetHdr?: number;
  /** Of packets, which end it before nothing comes any more. */
  readonly count?: number;
  /** Until it can receive. */
  ready?(): Promise<void>;
}

export type Received = Readonly<Record<'packets' | 'bytes' | 'lost', number>>;

/** It receives until nothing has come for a while; `during` gets how much has arrived so far. */
export async function receives(
  { h, vm, port, vnetHdr = 0, count, ready }: Receiver,
  during: (arrived: () => number) => Promise<void>,
): Promise<Received> {
  const before = h.packets(port, 'rx');
  const arrived = () => h.packets(port, 'rx') - before;
  const receiving = vm.agentStart(
    `receive ${count ? `--count ${count} ` : ''}--seconds 600 --idle-ms 5000 --payload full --vnet-hdr ${vnetHdr}`,
  );
  await ready?.();
  await during(arrived);
  const { received } = (await receiving.done) as unknown as { received: Received };
  expect(received).toMatchObject({ late: 0, corrupt: 0, packets: arrived() });
  expect(received.packets).toBeGreaterThan(0);
  return received;
}

const enough = (arrived: () => number) => expect.poll(arrived, { timeout: WAIT_MS }).toBeGreaterThan(1000);

/** The QEMU of `sender`, vm1, is killed while it sends; then another VM in its place sends by each of the commands. */
export async function killedInTraffic(
  receiver: Receiver,
  sender: Vm,
  send: string,
  thenSend: readonly string[],
): Promise<void> {
  await receives(receiver, async (arrived) => {
    const doomed = sender.agentStart(`${send} --seconds 60 --rate 2000`);
    doomed.done.catch(() => {});
    await enough(arrived);
    sender.kill('SIGKILL');
    await sender.exited;
  });
  const next = await boot(receiver.h, 'vm1');
  for (const command of thenSend)
    await receives(receiver, async (arrived) => {
      const sending = next.agent(`${command} --count 4000 --rate 2000`);
      await enough(arrived);
      expect((await sending).sent).toMatchObject({ packets: 4000 });
    });
  expect(receiver.h.warnings()).toEqual([]);
}
