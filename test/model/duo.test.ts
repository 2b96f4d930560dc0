// Two VMs' ports whose ping and echo take turns in one thread, against a live host, in this process and in one of their own.
import { expect, test } from 'vitest';
import { GuestError, spawnGuest } from '../../guest-driver/model/index.ts';
import type { TestHost } from '../harness/host.ts';
import { attach, onEnd, startHost } from './scene.ts';

const PIPE = `
regions: { lan: { buf-num: 8192 } }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }] }
  vm2: { region: lan, devices: [{ port: 'p}1' }] }
`;
const VALE = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;

async function startWith(policy: string, ports: string): Promise<TestHost> {
  return await startHost(`engine: { policy: ${policy} }\n${ports}`);
}

function devices(host: TestHost, vm: string) {
  const [memdev, ...ptnet] = host.sockets(vm);
  return { memdev: memdev!, ptnet };
}

const CLEAN = { lost: 0n, late: 0n, corrupt: 0n };

test.each([
  ['poll', 'pipe', PIPE],
  ['poll', 'vale', VALE],
  // A worker that parks is kicked by both sides over sockets of their own.
  ['notify', 'pipe', PIPE],
])(
  'policy %s, %s: every ping comes back, and the ports are TypeScript’s afterwards',
  async (policy, _, yaml) => {
    const host = await startWith(policy, yaml);
    const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
    const [ping, echo] = await a.ports[0]!.startDuo({ op: 'ping', count: 500n }, b.ports[0]!, { op: 'echo' });
    const pinged = await ping.done;
    expect(pinged).toMatchObject({ stopped: 'count', received: { packets: 500n, ...CLEAN } });
    expect(pinged.latency!.roundTrip).toMatchObject({ count: 500 });
    expect(await echo.done).toMatchObject({ stopped: 'stop', sent: { packets: 500n }, received: CLEAN });
    const packet = Uint8Array.from({ length: 60 }, (__, i) => (i < 6 ? 0xff : i));
    await b.send(packet);
    expect(await a.receive()).toEqual(packet);
  },
);

test('a guest that closes ends a duo that one of its ports is in', async () => {
  const host = await startWith('poll', PIPE);
  const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  const [ping, echo] = await a.ports[0]!.startDuo({ op: 'ping' }, b.ports[0]!, { op: 'echo' });
  await b.close();
  expect((await ping.done).stopped).toBe('stop');
  expect((await echo.done).stopped).toBe('stop');
});

test('what cannot be a duo is refused, and leaves both ports usable', async () => {
  const host = await startWith('poll', PIPE);
  const [a, b] = [await attach(host, 'vm1'), await attach(host, 'vm2')];
  const [one, other] = [a.ports[0]!, b.ports[0]!];
  const start = (to = other, more = {}) =>
    one.startDuo({ op: 'ping', count: 10n, ...more }, to, { op: 'echo' });
  await expect(start(one)).rejects.toThrow('pings and echoes: a duo takes two ports');
  await expect(start(other, { size: 1 })).rejects.toThrow('startDuo: ping: size 1: a ping must be 48 to');
  const loop = await other.startLoop({ op: 'receive' });
  await expect(start()).rejects.toThrow(GuestError);
  await expect(start()).rejects.toThrow('a loop is running already: wait for its end');
  loop.stop();
  await loop.done;
  const [ping] = await start();
  await expect(one.startLoop({ op: 'send' })).rejects.toThrow('a loop is running already');
  expect((await ping.done).received.packets).toBe(10n);
});

test.each([undefined, 0.01])(
  'one process attaches two VMs and reports both loops, warm-up %s',
  async (warmUp) => {
    const host = await startWith('poll', VALE);
    const guest = spawnGuest({
      hold: true,
      ping: {
        ...devices(host, 'vm1'),
        loop: { op: 'ping', count: 300, ...(warmUp !== undefined && { warmUp }) },
      },
      echo: { ...devices(host, 'vm2'), loop: { op: 'echo' } },
    });
    onEnd(() => guest.kill());
    expect((await guest.ready).ports).toHaveLength(2);
    guest.go();
    const [ping, echo, ...more] = await guest.done;
    // Its devices are free for whoever comes next.
    expect(() => process.kill(guest.pid, 0)).toThrow('ESRCH');
    expect(ping).toMatchObject({
      stopped: 'count',
      sent: { packets: 300 },
      received: { packets: 300, corrupt: 0 },
    });
    expect(ping!.latency!.roundTrip.count).toBe(300);
    expect(echo).toMatchObject({ stopped: 'stop', sent: { packets: 300 } });
    expect(more).toEqual([]);
    // What the warm-up sent is in no result, but the host saw it.
    const seen = host.packets('vale0:1', 'tx');
    if (warmUp === undefined) expect(seen).toBe(300);
    else expect(seen).toBeGreaterThan(300);
  },
);

test('a process whose job asks an echo of a duo to end by itself says why it does not', async () => {
  const host = await startWith('poll', VALE);
  const guest = spawnGuest({
    ping: { ...devices(host, 'vm1'), loop: { op: 'ping' } },
    echo: { ...devices(host, 'vm2'), loop: { op: 'echo', seconds: 1 } },
  });
  onEnd(() => guest.kill());
  await expect(guest.done).rejects.toThrow(
    'startDuo: echo.seconds: the echo ends with the ping: leave it out',
  );
});
