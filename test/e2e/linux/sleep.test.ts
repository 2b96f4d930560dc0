// Linux guests sleep in traffic, in memory and on a disk: when they wake up, on the same host or on another one, what was under way arrives.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect } from 'vitest';
import {
  diskArguments,
  hibernate,
  hibernateInVain,
  type Sleep,
  sleepAndWake,
  wakeFromDisk,
} from '../../harness/linux-sleep.ts';
import { inGuest } from '../../harness/place.ts';
import { vmTest } from '../vm-test.ts';
import { Guests } from './guests.ts';
import { FEWER_RELEASES, LONG } from './releases.ts';
import { expectTraffic, flood, HOST_ADDRESS, SCENE, type Scene, scene } from './scene.ts';

const ROUNDS = LONG ? 10 : 2;
const PORT = 7010;
const NOISE_BYTES = 200_000;
const PAUSE_S = { fast: 0.2, slow: 0 } as const;
const WAIT_MS = 120_000;
const STREAM_TIMEOUT_MS = LONG ? 3_000_000 : 280_000;

const guests = new Guests();
const folder = mkdtempSync(join(tmpdir(), 'ptnet-sleep-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let files = 0;
afterEach(async (context) => {
  if (context.task.result?.state === 'fail') guests.keepLogs();
  await guests.close();
});

/** What a receiver does with what comes: takes it as it comes, or so slowly that the sender always has something left to send. */
const TAKING = {
  fast: (file: string) => `CREATE:${file}`,
  slow: (file: string) =>
    `SYSTEM:'n=1; while [ $n -gt 0 ]; do n=$(head -c 20000 | tee -a ${file} | wc -c); sleep 0.02; done'`,
} as const;

/** Sends the same noise over one TCP connection, again and again. @returns what waits for more of it, ends that, and checks every byte that came. */
async function stream(
  { vm, host }: Scene,
  pace: keyof typeof TAKING,
): Promise<(after: Scene) => Promise<void>> {
  const file = join(folder, `stream${files++}`);
  const received = host.run(
    `: > ${file}; socat -u TCP4-LISTEN:${PORT},reuseaddr ${TAKING[pace](file)}`,
    STREAM_TIMEOUT_MS,
  );
  received.catch(() => {});
  await host.listening('tcp', PORT);
  // Not of the shell that starts it, which is away while the guest sleeps.
  await vm.run(`head -c ${NOISE_BYTES} /dev/urandom > /root/noise
cat > /run/stream.sh << 'END'
while [ ! -e /run/enough ]; do cat /root/noise; sleep ${PAUSE_S[pace]}; done | socat -u STDIN TCP4:${HOST_ADDRESS}:${PORT}
END
rm -f /run/enough
setsid dash /run/stream.sh < /dev/null > /dev/null 2>&1 &`);
  return async (after) => {
    const before = statSync(file).size;
    await expect
      .poll(() => statSync(file).size, { timeout: WAIT_MS })
      .toBeGreaterThan(before + 2 * NOISE_BYTES);
    await after.vm.run('touch /run/enough');
    await received;
    const [noise, bytes] = [await after.vm.read('/root/noise'), await readFile(file)];
    rmSync(file);
    expect(bytes.length % noise.length).toBe(0);
    for (let at = 0; at < bytes.length; at += noise.length)
      expect(noise.equals(bytes.subarray(at, at + noise.length)), `bytes from ${at}`).toBe(true);
  };
}

/** What `npm run test-linux` alone has: the image of a guest takes its time. */
const inLongForm: typeof vmTest = (name, body) => {
  if (LONG) vmTest(name, body);
};

/** Times that the carrier has come or gone. */
const carrierChanges = async ({ vm }: Scene): Promise<number> =>
  Number(await vm.run('cat /sys/class/net/net0/carrier_changes'));

/** Times that the tap's carrier has come or gone: it has one while a guest has its rings served. */
async function timesServed({ net }: Scene): Promise<number> {
  const [{ stats64 }] = JSON.parse(await net.ip('-s -s -j link show dev net0'));
  return stats64.tx.carrier_changes;
}

/** The driver sees the same in both; hostile-host.test.ts has the first one in its short form too. */
const KINDS: readonly (readonly [kind: Sleep, name: string])[] = [
  ...(LONG ? ([['s2idle', 'idle']] as const) : []),
  ['deep', 'memory (S3)'],
];

for (const release of FEWER_RELEASES)
  describe(`Linux of ${release}`, () => {
    for (const [kind, name] of KINDS)
      vmTest(`a guest is suspended to ${name} in traffic ${ROUNDS} times, and goes on`, async () => {
        const s = await scene(guests, release);
        const [stopFlood, endStream] = [await flood(s), await stream(s, 'fast')];
        for (let round = 0; round < ROUNDS; round++) {
          const before = await carrierChanges(s);
          await sleepAndWake(s.vm, kind);
          expect(await carrierChanges(s)).toBe(before + 2);
        }
        await stopFlood();
        await endStream(s);
        await expectTraffic(s);
      });

    vmTest('a guest that cannot hibernate after all goes on', async () => {
      const s = await scene(guests, release);
      const endStream = await stream(s, 'fast');
      await hibernateInVain(s.vm);
      await endStream(s);
      await expectTraffic(s);
    });

    inLongForm('a guest hibernates in traffic, and goes on in another QEMU on another host', async () => {
      const disk = diskArguments(join(folder, `disk${files++}`));
      const before = await scene(guests, release, { qemuArguments: disk });
      const endStream = await stream(before, 'slow');
      const [tap] = JSON.parse(await before.net.ip('-j link show dev net0'));
      const changes = await timesServed(before);
      await hibernate(before.vm);
      before.vm.expectWell();
      // It went before its image was made and did not come back to write it: what it had sent then would not be in the image.
      expect(await timesServed(before)).toBe(changes + 1);
      await before.h.close();
      const h = await guests.host(SCENE(before.net));
      // The station that the guest speaks with is the same, as one on a network would be.
      await before.net.ip(`link set dev net0 address ${tap.address}`);
      const vm = await guests.boot({
        name: `woken-${release}`,
        release,
        sockets: h.sockets('vm1'),
        qemuArguments: disk,
      });
      await wakeFromDisk(vm);
      const after = { ...before, h, vm, guest: inGuest(vm) };
      await endStream(after);
      await expectTraffic(after);
    });
  });
