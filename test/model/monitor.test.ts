// Monitors against a live host: of every kind of port, and of a tap that is no port; they see all that passes, hold nothing back, and may be killed.
import { expect, test } from 'vitest';
import { type Guest, type JobLoop, spawnGuest } from '../../guest-driver/model/index.ts';
import type { TestHost } from '../harness/host.ts';
import { netns } from '../harness/interfaces.ts';
import { attach, onEnd, startHost } from './scene.ts';

const N = 20_000;
/** Only ends a test that hangs. */
const WAIT_MS = 60_000;
const CLEAN = { late: 0n, corrupt: 0n };
const full = { payload: 'full', sleep: true } as const;

/** Everything that the monitor gets, until it has seen all that the host says. */
async function startWatching(host: TestHost, name: string, guest: Guest) {
  const loop = await guest.ports[0]!.startLoop({ op: 'receive', ...full });
  return {
    async all(count: number) {
      await expect
        .poll(() => host.packets(name, 'rx') + host.drops(name, 'rx'), { timeout: WAIT_MS })
        .toBe(count);
      await expect
        .poll(() => Number(loop.progress().received), { timeout: WAIT_MS })
        .toBe(host.packets(name, 'rx'));
      loop.stop();
      const { received } = await loop.done;
      expect(received).toMatchObject(CLEAN);
      expect(Number(received.packets)).toBe(count - host.drops(name, 'rx'));
    },
  };
}

async function send(guest: Guest, count = N, port = 0) {
  const loop = await guest.ports[port]!.startLoop({ op: 'send', count: BigInt(count), ...full });
  return await loop.done;
}

test('of a switch port: what it sends, and what it receives', async () => {
  const host = await startHost(`
vms:
  vm1: { devices: [{ port: 'vale0:2' }] }
  vm2: { devices: [{ port: 'vale0:1' }] }
  spy1: { devices: [{ port: 'vale0:2/t' }] }
  spy2: { devices: [{ port: 'vale0:1/r' }] }
ports: { 'vale0:2/t': { rx-slots: 4096 }, 'vale0:1/r': { rx-slots: 4096 } }
`);
  const [vm1, vm2] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  const sent = await startWatching(host, 'vale0:2/t', await attach(host, 'spy1'));
  const received = await startWatching(host, 'vale0:1/r', await attach(host, 'spy2'));
  const receiving = await vm2.ports[0]!.startLoop({ op: 'receive', ...full });
  await send(vm1);
  await sent.all(N);
  await received.all(host.packets('vale0:1', 'rx'));
  receiving.stop();
  expect((await receiving.done).received).toMatchObject(CLEAN);
});

test('of a pipe in another region, and of a null port: both ways', async () => {
  const host = await startHost(`
engine: { workers: 2 }
regions: { lan: { buf-num: 8192 } }
ports: { 'p{1/rt': { rx-slots: 4096 }, 'null:a/tr': { rx-slots: 4096, rx-rings: 2 }, 'null:a': { tx-rings: 2, sink: { verify: true } } }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }] }
  vm2: { region: lan, devices: [{ port: 'p}1' }] }
  vm3: { devices: [{ port: 'null:a' }] }
  spy1: { devices: [{ port: 'p{1/rt' }] }
  spy2: { devices: [{ port: 'null:a/tr' }] }
`);
  const [vm1, vm2, vm3] = [await attach(host, 'vm1'), await attach(host, 'vm2'), await attach(host, 'vm3')];
  const spies = [await attach(host, 'spy1'), await attach(host, 'spy2')] as const;
  const pipe = await startWatching(host, 'p{1/rt', spies[0]);
  const sink = await startWatching(host, 'null:a/tr', spies[1]);
  const duplex = { op: 'duplex', count: BigInt(N), ...full } as const;
  const loops = [
    await vm1.ports[0]!.startLoop({ ...duplex, stream: 1 }),
    await vm2.ports[0]!.startLoop({ ...duplex, stream: 2 }),
  ];
  await send(vm3);
  for (const loop of loops)
    expect((await loop.done).received).toMatchObject({ packets: BigInt(N), lost: 0n, ...CLEAN });
  await pipe.all(2 * N);
  await sink.all(N);
});

test('one that does not look loses packets, its port none; a client that comes later sees what passes then', async () => {
  const host = await startHost(`
ports: { 'null:a': { sink: { verify: true } } }
vms:
  vm1: { devices: [{ port: 'null:a' }] }
  spy: { devices: [{ port: 'null:a/t' }] }
`);
  const [vm1, spy] = [await attach(host, 'vm1'), await attach(host, 'spy')];
  await send(vm1);
  expect(host.ring('null:a/t', 'rx')).toMatchObject({ packets: 1023, drops: { full: N - 1023 } });
  expect(host.port('null:a').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
  await spy.delete();
  const more = await vm1.ports[0]!.startLoop({ op: 'send', count: 10n, firstSeq: BigInt(N), ...full });
  await more.done;
  await spy.create();
  expect(await spy.receive({ timeoutMs: 50 })).toBeUndefined();
  await vm1.send(new Uint8Array(60).fill(7));
  expect(await spy.receive()).toEqual(new Uint8Array(60).fill(7));
});

test('of a tap that stands on a switch without a VM, and of one that is a port', async () => {
  const [left, right] = [await netns(), await netns()];
  const host = await startHost(`
switches: { vale0: { members: ['tap:lan'] } }
ports:
  'tap:lan': { netns: ${left.path}, address: 192.0.2.1/24 }
  'tap:b': { netns: ${right.path} }
vms:
  vm1: { devices: [{ port: 'vale0:1' }, { port: 'tap:b' }] }
  spy1: { devices: [{ port: 'tap:lan/rt' }] }
  spy2: { devices: [{ port: 'tap:b/t' }] }
`);
  const [vm1, spy1, spy2] = [
    await attach(host, 'vm1'),
    await attach(host, 'spy1'),
    await attach(host, 'spy2'),
  ];
  // Asks who 192.0.2.1 is; the kernel answers.
  const mac = [2, 0, 0, 0, 1, 0];
  const request = Uint8Array.of(
    ...Array<number>(6).fill(0xff),
    ...mac,
    ...[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
    ...mac,
    ...[192, 0, 2, 9],
    ...Array<number>(6).fill(0),
    ...[192, 0, 2, 1],
  );
  await vm1.send(request);
  const find = async (is: (packet: Uint8Array) => boolean) => {
    for (;;) {
      const packet = await spy1.receive({ timeoutMs: WAIT_MS });
      if (!packet || is(packet)) return packet;
    }
  };
  const isArp = (op: number) => (packet: Uint8Array) =>
    packet[12] === 8 && packet[13] === 6 && packet[21] === op;
  expect(await find(isArp(1))).toEqual(request);
  const reply = await find(isArp(2));
  expect([...reply!.subarray(28, 32)]).toEqual([192, 0, 2, 1]);
  expect([...reply!.subarray(0, 6)]).toEqual(mac);
  await vm1.send(request, { port: 1 });
  expect(await spy2.receive()).toEqual(request);
});

test.each(['monitor', 'pipe'])(
  'the holder of a %s is killed in traffic, and the next one opens it',
  async (what) => {
    const host = await startHost(`
engine: { workers: 2 }
regions: { lan: { buf-num: 8192 } }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }] }
  vm2: { region: lan, devices: [{ port: 'p}1' }] }
  spy: { devices: [{ port: 'p{1/rt' }] }
`);
    const sockets = (vm: string) => {
      const [memdev, ...ptnet] = host.sockets(vm);
      return { memdev: memdev!, ptnet };
    };
    const receiver = { op: 'receive', ...full } as const;
    const guests = new Map<string, JobLoop>([
      ['vm1', { op: 'send', ...full }],
      ['vm2', receiver],
      ['spy', receiver],
    ]);
    const start = async (vm: string) => {
      const guest = spawnGuest({ ...sockets(vm), loops: [guests.get(vm)!] });
      onEnd(() => guest.kill());
      await guest.ready;
      return guest;
    };
    const running = new Map<string, Awaited<ReturnType<typeof start>>>();
    for (const vm of guests.keys()) running.set(vm, await start(vm));
    const received = () => ({ port: host.packets('p}1', 'rx'), spy: host.packets('p{1/rt', 'rx') });
    const goesOn = async () => {
      const before = received();
      await expect
        .poll(() => received().port > before.port && received().spy > before.spy, { timeout: WAIT_MS })
        .toBe(true);
    };
    await goesOn();
    const victim = what === 'monitor' ? 'spy' : 'vm2';
    for (let round = 0; round < 5; round++) {
      running.get(victim)!.kill();
      running.set(victim, await start(victim));
      await goesOn();
    }
    for (const ring of host.port('p{1/rt').rings) expect(ring.badIndex).toBe(0);
    expect(host.drops('p}1', 'rx')).toBe(0);
  },
);
