// A VM that takes all that it can get of a host with few descriptors: the VM beside it comes, starts and is served.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { type Guest, openGuest } from '../../guest-driver/model/index.ts';
import { closeFd, eventfd, memfdCreate } from '../../native/os.ts';
import { projectRoot } from '../harness/paths.ts';
import { onEnd } from './scene.ts';

const PAGE = 0x1000n;
const HIGH = 0x20_0000_0000n;
const IRQ_MSIX = 2;

interface Stats {
  readonly devices: readonly {
    name: string;
    heldFds: number;
    maxFds: number;
    complaints: Record<string, number>;
  }[];
  readonly ports: readonly { name: string; sink?: object }[];
}

/** `ptnet up` as a process of its own. */
async function startHost(descriptors: number) {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-greedy-'));
  const file = join(folder, 'host.yaml');
  writeFileSync(
    file,
    `run-dir: ${join(folder, 'run')}
ports: { 'null:a': {}, 'null:b': { sink: { verify: true } } }
vms:
  vm1: { devices: [{ port: 'null:a' }] }
  vm2: { devices: [{ port: 'null:b' }] }
`,
  );
  const main = join(projectRoot(), 'dist/backend/cli/main.js');
  const command = [
    `--nofile=${descriptors}:${descriptors}`,
    process.execPath,
    main,
    'up',
    file,
    '--stats',
    '1',
  ];
  const host = execa('prlimit', command, { reject: false });
  let err = '';
  let stats: Stats | undefined;
  host.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString();
  });
  void (async () => {
    for await (const line of host) stats = JSON.parse(line);
  })();
  onEnd(async () => {
    host.kill('SIGTERM');
    await host;
    rmSync(folder, { recursive: true });
  });
  await expect.poll(() => err, { timeout: 60_000 }).toContain('The host is running');
  return {
    pid: host.pid!,
    said: () => err,
    device: (name: string) => stats?.devices.find((device) => device.name === name),
    sink: (port: string) => stats?.ports.find(({ name }) => name === port)?.sink,
    open: async (vm: string): Promise<Guest> => {
      const at = (device: string) => join(folder, 'run', vm, `${device}.sock`);
      const guest = await openGuest({ memdev: at('mem'), ptnet: [at('net0')] });
      onEnd(async () => await guest.crash());
      return guest;
    },
  };
}

test.each([
  // 512 are the host's own, the rest is for four devices.
  [1024, 128, /vm1\/net0: holds more descriptors than its share/],
  // So few that a message of one VM takes the last one: shares are no smaller than that.
  [300, 32, /vm1\/net0: EMFILE: no descriptor left for what it sends/],
])(
  'with %i descriptors one VM has a share of %i, and another one finds all of its own',
  async (descriptors, share, end) => {
    const host = await startHost(descriptors);
    const memory = memfdCreate('guest memory', Number(4n * PAGE));
    const event = eventfd();
    onEnd(() => [memory, event].forEach(closeFd));
    const greedy = await host.open('vm1');
    await greedy.create();
    const { device } = greedy.ports[0]!.ptnet.pci;
    await expect.poll(() => host.device('vm1/net0')?.maxFds, { timeout: 10_000 }).toBe(share);
    const held = host.device('vm1/net0')!.heldFds;
    // Maps without a descriptor have a number of their own; those with one, up to the share.
    for (let i = 0n; i < BigInt(share - held); i++)
      await device.dmaMap({ address: HIGH + 2n * i * PAGE, size: PAGE }, memory);
    await expect.poll(() => host.device('vm1/net0')?.heldFds, { timeout: 10_000 }).toBe(share);
    for (let i = share; i < 4000; i++)
      await device.dmaMap({ address: HIGH + 2n * BigInt(i) * PAGE, size: PAGE });

    const honest = await host.open('vm2');
    await honest.create();
    const port = honest.ports[0]!;
    await port.ptnet.pci.device.dmaMap({ address: HIGH, size: PAGE }, memory);
    await port.ptnet.pci.device.attachIrqs(IRQ_MSIX, [event, event]);
    const loop = await port.startLoop({ op: 'send', count: 10_000n, payload: 'full' });
    expect(await loop.done).toMatchObject({ stopped: 'count', pending: 0n });

    // One more ends the greedy one's session, as many as the kernel passes on at once too; nobody else's.
    for (let round = 0; round < 3; round++) {
      const again = round === 0 ? greedy : await host.open('vm1');
      const own = again.ports[0]!.ptnet.pci.device;
      const burst = own.setIrqs(
        { index: IRQ_MSIX, flags: 0x24, start: 0, count: 253 },
        { fds: new Array(253).fill(event) },
      );
      await expect(burst).rejects.toThrow();
      await expect.poll(() => own.client.isOpen).toBe(false);
      await again.crash();
      await expect.poll(() => readdirSync(`/proc/${host.pid}/fd`).length).toBeLessThan(descriptors - 50);
    }
    expect(host.said()).toMatch(end);
    expect(host.said()).not.toMatch(/"vm2\//);
    const more = await port.startLoop({ op: 'send', firstSeq: 10_000n, count: 10_000n, payload: 'full' });
    expect(await more.done).toMatchObject({ stopped: 'count', pending: 0n });
    await expect
      .poll(() => host.sink('null:b'), { timeout: 10_000 })
      .toEqual({ lost: 0, late: 0, corrupt: 0 });
  },
);
