// Guests and workers that go to rest and are woken, over and over, and guests that stand still for a moment: afterwards
// packets have to move again without any help. The host's look at rings whose guest overlooked an interrupt is off, so
// that a lost interrupt or kick is seen. With PTNET_FUZZ_SECONDS it goes on for so long.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type JobLoop, type SpawnedGuest, spawnGuest } from '../../guest-driver/model/index.ts';
import { TestHost } from '../harness/host.ts';
import { numbers } from '../harness/numbers.ts';
import { source } from './neighbours.ts';

const FUZZ_SECONDS = Number(process.env.PTNET_FUZZ_SECONDS ?? 0);
const SEED = Number(process.env.PTNET_TEST_SEED ?? (FUZZ_SECONDS > 0 ? Date.now() % 2 ** 31 : 20_270));
/** Pauses of one scenario. */
const PAUSES = 15;
const PAUSE_MS = 20;
const RUN_MS = 20;
/** Nothing has moved for so long: it never will. A machine may be busy with other things for seconds. */
const STILL_MS = 30_000;

const random = numbers(SEED);
const oneOf = <T>(...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;

interface Path {
  readonly ports: readonly string[];
  readonly ops: readonly JobLoop['op'][];
}

const PATHS: Readonly<Record<string, Path>> = {
  'guest to host': { ports: ['null:a'], ops: ['send'] },
  'host to guest': { ports: ['null:a'], ops: ['receive'] },
  'both at once': { ports: ['null:a'], ops: ['duplex'] },
  'guest to itself': { ports: ['echo:a'], ops: ['duplex'] },
  'a pipe': { ports: ['p{1', 'p}1'], ops: ['send', 'receive'] },
  'a pipe both ways': { ports: ['p{1', 'p}1'], ops: ['duplex', 'duplex'] },
  'a switch': { ports: ['vale0:1', 'vale0:2'], ops: ['send', 'receive'] },
};

function configOf(policy: string, { ports }: Path): string {
  const slots = oneOf(8, 32, 256, 1024);
  const keys = `tx-slots: ${slots}, rx-slots: ${slots}`;
  const vms = ports.map((port, i) => `  vm${i + 1}: { region: lan, devices: [{ port: '${port}' }] }`);
  return `
engine: { policy: ${policy}, spin-us: ${oneOf(0, 1, 10, 100)}, workers: ${oneOf(1, 2)} }
regions: { lan: { buf-num: 20000 } }
${ports[0]!.startsWith('vale0') ? `switches: { vale0: { ${keys} } }` : `ports: { ${ports.map((port) => `'${port}': { ${keys} }`).join(', ')} }`}
vms:
${vms.join('\n')}`;
}

const told = { rounds: 0, kicks: 0, interrupts: 0 };
let host: TestHost | undefined;
let guests: SpawnedGuest[] = [];
beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(async () => {
  vi.useRealTimers();
  for (const guest of guests.splice(0)) guest.kill();
  await host?.close();
  host = undefined;
});
afterAll(() => {
  const { rounds, kicks, interrupts } = told;
  console.log(`seed ${SEED}: ${rounds} pauses, ${kicks} kicks and ${interrupts} interrupts, none lost`);
});

function startGuest(on: TestHost, vm: string, op: JobLoop['op']): SpawnedGuest {
  const [memdev, ...ptnet] = on.sockets(vm);
  const loop: JobLoop = {
    op,
    payload: 'none',
    sleep: true,
    rhythm: oneOf('foreign', 'foreign', 'native'),
    spinUs: oneOf(0, 50),
    burst: oneOf(1, 4, 64, 512),
  };
  return spawnGuest({ memdev: memdev!, ptnet, hold: true, loops: [loop] });
}

/** What every loop sends and receives, by the host's counters. */
function counted(on: TestHost, { ports, ops }: Path): number[] {
  return ops.flatMap((op, i) => [
    ...(op === 'receive' ? [] : [on.packets(ports[i]!, 'tx')]),
    ...(op === 'send' ? [] : [on.packets(ports[i]!, 'rx')]),
  ]);
}

/** Nobody does anything but wait, until packets have moved everywhere. */
async function untilMoved(on: TestHost, path: Path, name: string): Promise<void> {
  const before = counted(on, path);
  const deadline = performance.now() + STILL_MS;
  while (counted(on, path).some((packets, i) => packets === before[i])) {
    if (performance.now() > deadline) {
      const stats = path.ports.map((port) => on.port(port));
      throw new Error(
        `${name}: seed ${SEED}: nothing has moved for ${STILL_MS} ms: ${JSON.stringify(stats)}`,
      );
    }
    await sleep(1);
  }
}

async function rest(name: string, policy: string): Promise<void> {
  const path = PATHS[name]!;
  const yaml = configOf(policy, path);
  const about = `${name}, policy ${policy}:${yaml}`;
  host = await TestHost.start(yaml);
  if (path.ports[0] === 'null:a') host.host.setSource('null:a', source('unlimited'));
  guests = path.ops.map((op, i) => startGuest(host!, `vm${i + 1}`, op));
  await Promise.all(guests.map(({ ready }) => ready));
  for (const guest of guests) guest.go();
  for (let i = 0; i < PAUSES; i++) {
    await untilMoved(host, path, about);
    await sleep(random() * RUN_MS);
    const guest = oneOf(...guests);
    process.kill(guest.pid, 'SIGSTOP');
    await sleep(random() * PAUSE_MS);
    process.kill(guest.pid, 'SIGCONT');
    told.rounds += 1;
  }
  await untilMoved(host, path, about);
  for (const guest of guests) guest.stop();
  for (const [result] of await Promise.all(guests.map(({ done }) => done))) {
    expect(result!.error).toBeUndefined();
    told.kicks += result!.kicks;
    told.interrupts += result!.interrupts;
  }
  guests = [];
  await host.close();
  host = undefined;
}

const every = Object.keys(PATHS).flatMap((path) => [
  [path, 'adaptive'],
  [path, 'notify'],
]);

test.each(every)('%s, policy %s', async (path, policy) => {
  await rest(path!, policy!);
  const end = performance.now() + (FUZZ_SECONDS * 1000) / every.length;
  while (performance.now() < end && FUZZ_SECONDS > 0) await rest(path!, policy!);
});
