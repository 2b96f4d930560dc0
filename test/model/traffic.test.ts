// The driver model against a live host: every kind of port, under every policy, by native loops and by TypeScript.
import { describe, expect, test } from 'vitest';
import type { Guest } from '../../guest-driver/model/index.ts';
import { probe } from '../harness/probe-packet.ts';
import { startReceiving } from '../harness/receiving.ts';
import { attach, startHost } from './scene.ts';

const N = 200_000;
const DST = Uint8Array.of(2, 0, 0, 0, 0, 7);
const SRC = Uint8Array.of(2, 0, 0, 0, 0, 8);

async function run(guest: Guest, options: Parameters<Guest['ports'][0]['startLoop']>[0], port = 0) {
  const loop = await guest.ports[port]!.startLoop(options);
  return loop.done;
}

const CLEAN = { lost: 0, late: 0, corrupt: 0 };
const CLEAN_BIG = { lost: 0n, late: 0n, corrupt: 0n };

describe.each(['poll', 'adaptive', 'notify'])('policy %s', (policy) => {
  test('guest to host and host to guest', async () => {
    const host = await startHost(`
engine: { policy: ${policy} }
ports: { 'null:a': { sink: { verify: true }, source: { packets: ${N}, payload: full } } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }
`);
    const guest = await attach(host, 'vm1');
    const sent = await run(guest, { op: 'send', count: BigInt(N), payload: 'full', sleep: true });
    expect(sent).toMatchObject({ stopped: 'count', sent: { packets: BigInt(N) } });
    expect(host.packets('null:a', 'tx')).toBe(N);
    expect(host.port('null:a').sink).toEqual(CLEAN);
    const got = await run(guest, { op: 'receive', count: BigInt(N), payload: 'full', sleep: true });
    expect(got.received).toMatchObject({ packets: BigInt(N), ...CLEAN_BIG });
  });

  test('a pipe, both ways at once', async () => {
    const host = await startHost(`
engine: { policy: ${policy} }
regions: { shared: { id: 9, buf-num: 8192 } }
vms:
  vm1: { region: shared, devices: [{ port: 'p{1' }] }
  vm2: { region: shared, devices: [{ port: 'p}1' }] }
`);
    const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    const options = { op: 'duplex', count: BigInt(N), payload: 'full', sleep: true } as const;
    for (const result of await Promise.all([run(a, options), run(b, options)])) {
      expect(result.sent.packets).toBe(BigInt(N));
      expect(result.received).toMatchObject({ packets: BigInt(N), ...CLEAN_BIG });
    }
  });

  test('an echo port: everything comes back', async () => {
    const host = await startHost(`
engine: { policy: ${policy} }
vms: { vm1: { devices: [{ port: 'echo:a' }] } }
`);
    const guest = await attach(host, 'vm1');
    const result = await run(guest, { op: 'duplex', count: BigInt(N), payload: 'full', sleep: true });
    expect(result.sent.packets).toBe(BigInt(N));
    expect(result.received).toMatchObject({ packets: BigInt(N), ...CLEAN_BIG });
    expect(host.packets('echo:a', 'tx')).toBe(N);
    expect(host.packets('echo:a', 'rx')).toBe(N);
  });

  test('VALE: what does not arrive is counted', async () => {
    const host = await startHost(`
engine: { policy: ${policy} }
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
    const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    const receiving = await startReceiving(host, 'vale0:2', b);
    await run(a, { op: 'send', count: BigInt(N), payload: 'full', sleep: true });
    const received = await receiving.all(N, () => host.drops('vale0:2', 'rx'));
    expect(received).toMatchObject({ late: 0n, corrupt: 0n });
    expect(Number(received.packets) + host.drops('vale0:2', 'rx')).toBe(N);
  });
});

test.each(['poll', 'notify'])(
  'policy %s: pings come back and are timed, listeners are woken up',
  async (policy) => {
    const host = await startHost(`
engine: { policy: ${policy} }
vms:
  vm1: { devices: [{ port: 'vale0:1', mac: '02:00:00:00:01:00' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`);
    const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    const sleeping = { sleep: true, spinUs: 0 } as const;
    const echoing = run(b, { op: 'echo', idleMs: 500, ...sleeping });
    const ping = await run(a, { op: 'ping', count: 500n, rate: 5000, ...sleeping });
    expect(ping).toMatchObject({ stopped: 'count', sent: { packets: 500n }, received: { packets: 500n } });
    expect(ping.received).toMatchObject(CLEAN_BIG);
    const { roundTrip, service, kicked } = ping.latency!;
    expect(roundTrip).toMatchObject({ count: 500 });
    expect(roundTrip.p50).toBeGreaterThan(0);
    expect(roundTrip.max).toBeGreaterThanOrEqual(roundTrip.p999);
    // A ring that is polled asks for no doorbell.
    if (policy === 'poll') expect(kicked.count).toBe(0);
    expect(service.count + kicked.count).toBeGreaterThan(0);
    expect((await echoing).received.packets).toBe(500n);
    const listening = run(b, { op: 'listen', count: 200n, ...sleeping });
    await run(a, { op: 'ping', count: 200n, rate: 2000, ...sleeping });
    const { received, latency } = await listening;
    expect(received.packets).toBe(200n);
    expect(latency!.wakeUp.count).toBeGreaterThan(0);
  },
);

test('policy inline: a kick is served before its reply, by TypeScript', async () => {
  const host = await startHost(`
engine: { policy: inline }
ports: { 'null:a': { sink: { verify: true }, source: { packets: 3, payload: full } } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }
`);
  const guest = await attach(host, 'vm1');
  const port = guest.ports[0]!;
  await run(guest, { op: 'send', count: 10n, payload: 'full', burst: 1 }).catch(() => {});
  expect(host.ring('null:a', 'tx')).toMatchObject({ packets: 10, kicks: 10 });
  expect(host.port('null:a').sink).toEqual(CLEAN);
  expect(port.rx.length).toBe(1);
});

test('policy inline: what is too much for one kick is served without another', async () => {
  const host = await startHost(`
engine: { policy: inline }
regions: { big: { buf-size: 65536, buf-num: 1200 } }
ports: { 'null:a': { tx-slots: 1024, rx-slots: 64, sink: { verify: true } } }
vms: { vm1: { region: big, devices: [{ port: 'null:a' }] } }
`);
  const guest = await attach(host, 'vm1');
  // 64 MB, which are all published before the first look at whether the host wants a kick.
  const sent = await run(guest, { op: 'send', count: 1000n, burst: 1000, size: 65535, payload: 'full' });
  expect(sent).toMatchObject({ sent: { packets: 1000n }, pending: 0n });
  expect(host.ring('null:a', 'tx')).toMatchObject({ packets: 1000, kicks: 1 });
  expect(host.port('null:a').sink).toEqual(CLEAN);
});

test('four rings each way, different slot counts', async () => {
  const host = await startHost(`
engine: { workers: 2 }
ports:
  'null:a': { tx-rings: 4, rx-rings: 3, tx-slots: 100, rx-slots: 777, sink: { verify: true }, source: { packets: 30000, payload: full } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }
`);
  const guest = await attach(host, 'vm1');
  await run(guest, { op: 'send', count: 120_000n, payload: 'full' });
  expect(
    host
      .port('null:a')
      .rings.slice(0, 4)
      .map(({ packets }) => packets),
  ).toEqual(Array(4).fill(30_000));
  expect(host.port('null:a').sink).toEqual(CLEAN);
  const got = await run(guest, { op: 'receive', count: 90_000n, payload: 'full' });
  expect(got.received).toMatchObject({ packets: 90_000n, ...CLEAN_BIG });
});

test('a client that hangs up leaves nothing behind, and the next finds the port as it was', async () => {
  const host = await startHost(`
ports: { 'null:a': { sink: { verify: true } } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }
`);
  for (let round = 0; round < 5; round++) {
    const guest = await attach(host, 'vm1');
    await run(guest, { op: 'send', count: 1000n, firstSeq: BigInt(1000 * round), payload: 'full' });
    if (round % 2 === 0) await guest.crash();
    else await guest.close();
    expect(host.packets('null:a', 'tx')).toBe(1000 * (round + 1));
  }
  expect(host.port('null:a').sink).toEqual(CLEAN);
});

test('a paced source sends all it was told', async () => {
  const host = await startHost(`
ports: { 'null:a': { source: { packets: 2000, rate: 10000, payload: full } } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }
`);
  const guest = await attach(host, 'vm1');
  const got = await run(guest, { op: 'receive', count: 2000n, payload: 'full', sleep: true });
  expect(got.received).toMatchObject({ packets: 2000n, ...CLEAN_BIG });
});

test('what a source sends is byte for byte what the definition says', async () => {
  const source = 'packets: 3, size: 1517, payload: full';
  const host = await startHost(`
ports: { 'null:a': { rx-rings: 2, source: { ${source} } } }
vms: { vm1: { devices: [{ port: 'null:a' }] } }
`);
  const port = (await attach(host, 'vm1')).ports[0]!;
  for (const stream of [0, 1])
    for (const seq of [0n, 1n, 2n])
      expect(await port.receive({ ring: stream })).toEqual(probe({ seq, stream, size: 1517, dst: port.mac }));
});

test('an echo port exchanges the addresses and nothing else, of packets of one slot and of several', async () => {
  const host = await startHost("vms: { vm1: { devices: [{ port: 'echo:a' }] } }");
  const port = (await attach(host, 'vm1')).ports[0]!;
  for (const size of [32, 60, 1514, 2048, 5000]) {
    const packet = probe({ size, stream: 3, seq: BigInt(size), dst: DST, src: SRC });
    expect(await port.send(packet)).toBe(true);
    expect(await port.receive()).toEqual(probe({ size, stream: 3, seq: BigInt(size), dst: SRC, src: DST }));
  }
});
