// An address that moves from one port of a switch to another without sending: what is sent to it is found again when
// its old place has been forgotten.
import { expect, test } from 'vitest';
import type { GuestPort } from '../../guest-driver/model/index.ts';
import { probe } from '../harness/probe-packet.ts';
import { attach, startHost } from './scene.ts';

const ADDRESS = Uint8Array.of(2, 0, 0, 0, 0, 7);
const SENDER = Uint8Array.of(2, 0, 0, 0, 0, 8);

test('packets for it are flooded after mac-age seconds', async () => {
  const host = await startHost(`
switches: { vale0: { mac-age: 1 } }
vms:
  before: { devices: [{ port: 'vale0:before' }] }
  after: { devices: [{ port: 'vale0:after' }] }
  sender: { devices: [{ port: 'vale0:sender' }] }
`);
  const [before, after, sender] = (await Promise.all(
    ['before', 'after', 'sender'].map(async (vm) => (await attach(host, vm)).ports[0]!),
  )) as [GuestPort, GuestPort, GuestPort];
  let seq = 0n;
  /** One packet to the address, and one to everybody. @returns whether the first came to where the address is now. */
  async function isFlooded(): Promise<boolean> {
    const toAddress = probe({ seq: seq++, src: SENDER, dst: ADDRESS });
    const toAll = probe({ seq: seq++, src: SENDER });
    await sender.send(toAddress);
    await sender.send(toAll);
    for (const packet of [toAddress, toAll]) expect(await before.receive()).toEqual(packet);
    const first = await after.receive();
    if (Buffer.compare(first!, toAll) === 0) return false;
    expect(first).toEqual(toAddress);
    expect(await after.receive()).toEqual(toAll);
    return true;
  }
  // Once is enough, but on a machine that stood still for a second.
  do {
    const here = probe({ seq: seq++, src: ADDRESS });
    await before.send(here);
    for (const port of [after, sender]) expect(await port.receive()).toEqual(here);
  } while (await isFlooded());
  // It goes, and nobody says so; the sender goes on.
  while (!(await isFlooded())) await new Promise((resolve) => setTimeout(resolve, 20));
});
