// A device that stops under full load: when the guest has its answer, its eventfds are empty, and stay so. FreeBSD's driver has
// freed its rings by then, and panics at an interrupt.
import { expect, test } from 'vitest';
import { closeFd, dup, eventfdDrain } from '../../native/os.ts';
import { PTCTL, PTNET } from '../../pci/index.ts';
import { Neighbours, source, until } from './neighbours.ts';

const ROUNDS = 40;
const RX = 1;

type Port = Neighbours['port'];

const STOPS: readonly [string, (port: Port) => Promise<unknown>][] = [
  ['DELETE', (port) => port.ptnet.control(PTCTL.DELETE)],
  ['a CSB address of 0', (port) => port.ptnet.writeRegister(PTNET.IO_CSB_HG_BAL, 0)],
  ['a reset', (port) => port.ptnet.pci.device.reset()],
];

/** Takes what the source brings for some turns of the event loop, asking for every interrupt. */
async function receive(port: Port): Promise<void> {
  const { csb } = port.ptnet;
  for (let i = 0; i < 10; i++) {
    csb.atok(RX).applNeedKick = 1;
    const { hwtail } = csb.ktoa(RX);
    port.rings[RX]!.setHead(hwtail, hwtail);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function expectSilence(fds: readonly number[]): Promise<void> {
  for (let i = 0; i < 3; i++) {
    expect(fds.map((fd) => eventfdDrain(fd))).toEqual(fds.map(() => 0n));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test.each(STOPS)('after %s no interrupt is left', async (name, stop) => {
  const both = await Neighbours.start({ device: "{ port: 'null:a', policy: poll }" });
  const { port, host } = both;
  host.host.setSource('null:a', source('unlimited'));
  const fds = port.ptnet.msix.interrupts.map(({ fd }) => fd);
  const { guestToHost, hostToGuest } = port.ptnet.csbPages;
  for (let round = 0; round < ROUNDS; round++) {
    await port.ptnet.setCsb(guestToHost.address, hostToGuest.address);
    await port.ptnet.create();
    await receive(port);
    await stop(port);
    // What a reset forgets is made again.
    await expectSilence(fds);
    if (name === 'a reset') break;
  }
  expect(host.ring('null:a', 'rx').interrupts).toBeGreaterThan(0);
});

test('after the client has gone no interrupt is left', async () => {
  const both = await Neighbours.start({ device: "{ port: 'null:a', policy: poll }" });
  const { port, host } = both;
  host.host.setSource('null:a', source('unlimited'));
  const fds = port.ptnet.msix.interrupts.map(({ fd }) => dup(fd));
  await port.ptnet.create();
  await receive(port);
  expect(host.host.stats(['null:a']).ports[0]!.rings[RX]!.interrupts).toBeGreaterThan(0);
  await both.bad.crash();
  // The host notices in its own time.
  await until(() => !host.host.setPolicy('vm1', 'net0', { policy: 'poll', spinUs: 100, worker: 0 }));
  await expectSilence(fds);
  for (const fd of fds) closeFd(fd);
});
