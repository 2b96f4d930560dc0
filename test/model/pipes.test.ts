// Pipes of any port: its guest hands packets on between the port and its pipes by their slots, and who is at the other end gets them.
import { expect, test } from 'vitest';
import { type Guest, NS, type RxRing, type TxRing } from '../../guest-driver/model/index.ts';
import { netns } from '../harness/interfaces.ts';
import { startReceiving } from '../harness/receiving.ts';
import { attach, startHost } from './scene.ts';

const N = 3000;

/** Moves buffers, as a program of the guest does: nothing is copied. Resolves to the buffers that went. */
async function handOn(from: RxRing, to: TxRing, count: number): Promise<number[]> {
  const went: number[] = [];
  while (went.length < count) {
    await from.rxsync();
    while (from.available() > 0 && to.available() > 0 && went.length < count) {
      const [full, empty] = [from.slot(), to.slot()];
      went.push(full.bufIdx);
      [full.bufIdx, empty.bufIdx] = [empty.bufIdx, full.bufIdx];
      empty.len = full.len;
      full.flags = NS.BUF_CHANGED;
      empty.flags = NS.BUF_CHANGED;
      from.advance();
      to.advance();
    }
    await to.txsync();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return went;
}

/** What a receiver finds in its slots: the buffer of each packet. */
async function take(rx: RxRing, count: number): Promise<number[]> {
  const got: number[] = [];
  while (got.length < count) {
    await rx.rxsync();
    while (rx.available() > 0) {
      got.push(rx.slot().bufIdx);
      rx.advance();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  // What was taken is given back: it would be seen again.
  await rx.rxsync();
  return got;
}

const CLEAN = { lost: 0n, late: 0n, corrupt: 0n };
/** Ends when all have come, or none any more. */
const receive = async (guest: Guest, port: number, first = 0) => {
  const loop = await guest.ports[port]!.startLoop({
    op: 'receive',
    count: BigInt(N - first),
    firstSeq: BigInt(first),
    payload: 'full',
    sleep: true,
  });
  return (await loop.done).received;
};

test('from a port to the other end of its pipe, without a copy', async () => {
  const host = await startHost(`
regions: { lan: { buf-num: 16384 } }
ports: { 'null:a': { source: { packets: ${N}, payload: full } } }
vms:
  vm1: { region: lan, devices: [{ port: 'null:a' }, { port: 'null:a{3' }] }
  vm2: { region: lan, devices: [{ port: 'null:a}3' }] }
`);
  const [vm1, vm2] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  const [port, pipe] = vm1.ports;
  const taking = take(vm2.ports[0]!.rx[0]!, 500);
  const went = await handOn(port!.rx[0]!, pipe!.tx[0]!, 500);
  expect(await taking).toEqual(went);
  const receiving = receive(vm2, 0, 500);
  await handOn(port!.rx[0]!, pipe!.tx[0]!, N - 500);
  expect(await receiving).toMatchObject({ packets: BigInt(N - 500), ...CLEAN });
});

test('of a switch port, both ways, with content', async () => {
  const host = await startHost(`
regions: { lan: { buf-num: 16384 } }
ports: { 'vale0:1{x': { rx-slots: 512 }, 'vale0:1}x': { tx-slots: 512 } }
vms:
  vm1: { region: lan, devices: [{ port: 'vale0:1{x' }, { port: 'vale0:1' }] }
  vm2: { region: lan, devices: [{ port: 'vale0:1}x' }] }
  vm3: { devices: [{ port: 'vale0:2' }] }
`);
  const [vm1, vm2, vm3] = [await attach(host, 'vm1'), await attach(host, 'vm2'), await attach(host, 'vm3')];
  const [pipe, port] = vm1.ports;
  const receiving = receive(vm2, 0);
  const handing = handOn(port!.rx[0]!, pipe!.tx[0]!, N);
  // As many at a time as fit: a switch drops what a full ring cannot take.
  for (let sent = 0; sent < N; sent += 500) {
    const loop = await vm3.ports[0]!.startLoop({
      op: 'send',
      count: 500n,
      firstSeq: BigInt(sent),
      payload: 'full',
      sleep: true,
    });
    await loop.done;
    await expect.poll(() => host.packets('vale0:1}x', 'rx')).toBe(sent + 500);
  }
  await handing;
  expect(await receiving).toMatchObject({ packets: BigInt(N), ...CLEAN });
  const back = await startReceiving(host, 'vale0:2', vm3);
  const handingBack = handOn(pipe!.rx[0]!, port!.tx[0]!, N);
  const sending = await vm2.ports[0]!.startLoop({
    op: 'send',
    count: BigInt(N),
    payload: 'full',
    sleep: true,
  });
  await sending.done;
  await handingBack;
  const received = await back.all(N, () => host.drops('vale0:2', 'rx'));
  expect(received).toMatchObject({ late: 0n, corrupt: 0n });
});

test('of a tap: its name has nothing to do with the tap that the host makes', async () => {
  const net = await netns();
  const host = await startHost(`
regions: { lan: { buf-num: 16384 } }
ports: { 'tap:a': { netns: ${net.path} } }
vms:
  vm1: { region: lan, devices: [{ port: 'tap:a' }, { port: 'tap:a{1' }, { port: 'tap:a{2' }] }
  vm2: { region: lan, devices: [{ port: 'tap:a}1' }, { port: 'tap:a}2' }] }
`);
  const [vm1, vm2] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  for (const [from, to] of [
    [1, 0],
    [2, 1],
  ] as const) {
    const receiving = receive(vm2, to);
    const sending = await vm1.ports[from]!.startLoop({
      op: 'send',
      count: BigInt(N),
      payload: 'full',
      sleep: true,
    });
    await sending.done;
    expect(await receiving).toMatchObject({ packets: BigInt(N), ...CLEAN });
  }
});
