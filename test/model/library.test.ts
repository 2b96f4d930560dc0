// The examples of the library, each as a program of its own that imports the package: driver models attach to what they print, and packets pass.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { type Guest, openGuest } from '../../guest-driver/model/index.ts';
import { projectRoot } from '../harness/paths.ts';
import { probe } from '../harness/probe-packet.ts';
import { onEnd } from './scene.ts';

const EXAMPLES = join(projectRoot(), 'examples');
const A = Uint8Array.of(2, 0, 0, 0, 0, 7);
const B = Uint8Array.of(2, 0, 0, 0, 0, 8);

class Program {
  readonly lines: Record<string, unknown>[] = [];
  readonly process: ChildProcessByStdio<null, Readable, null>;
  readonly #ended: Promise<number | null>;

  constructor(file: string, args: readonly string[]) {
    this.process = spawn(process.execPath, [join(EXAMPLES, 'library', file), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface(this.process.stdout);
    lines.on('line', (line) => this.lines.push(JSON.parse(line)));
    const out = new Promise((resolve) => lines.once('close', resolve));
    this.#ended = new Promise<number | null>((resolve) => this.process.once('exit', resolve)).then(
      async (code) => {
        await out;
        return code;
      },
    );
    onEnd(async () => void (await this.stop()));
  }

  sockets(vm: string): string[] {
    return (this.lines.find((line) => line.vm === vm)?.sockets ?? []) as string[];
  }

  /** Its exit code. */
  async stop(): Promise<number | null> {
    this.process.kill('SIGTERM');
    return await this.#ended;
  }
}

function runDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-library-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(file: string, vms: readonly string[], ...args: string[]) {
  const program = new Program(file, args);
  await expect.poll(() => program.lines.length).toBe(vms.length);
  const guests: Guest[] = [];
  for (const vm of vms) {
    const [memdev, ...ptnet] = program.sockets(vm);
    const guest = await openGuest({ memdev: memdev!, ptnet });
    onEnd(async () => await guest.close());
    await guest.create();
    guests.push(guest);
  }
  return { program, guests };
}

test('two VMs on a switch', async () => {
  const { program, guests } = await start(
    'two-vms.mjs',
    ['vm1', 'vm2'],
    join(EXAMPLES, 'vale.yaml'),
    runDir(),
  );
  const packet = probe({ seq: 1n, size: 200, src: A, dst: B });
  await guests[0]!.ports[0]!.send(packet);
  expect(await guests[1]!.ports[0]!.receive()).toEqual(packet);
  expect(await program.stop()).toBe(0);
  expect(program.lines.slice(2)).toEqual([
    { port: 'vale0:1', packets: 1 },
    { port: 'vale0:2', packets: 1 },
  ]);
});

test('a service chain', async () => {
  const names = ['ingress', 'firewall', 'balancer', 'egress'];
  const { program, guests } = await start('service-chain.mjs', names, runDir(), ...names);
  const packet = probe({ seq: 1n, size: 300, src: A, dst: B });
  await guests[0]!.ports[0]!.send(packet);
  for (const middle of guests.slice(1, -1)) await middle.ports[1]!.send((await middle.ports[0]!.receive())!);
  expect(await guests.at(-1)!.ports[0]!.receive()).toEqual(packet);
  expect(await program.stop()).toBe(0);
});

test('a host without a file', async () => {
  const { program, guests } = await start('without-a-file.mjs', ['red', 'green', 'blue'], runDir());
  const packet = probe({ seq: 1n, size: 100, src: A, dst: B });
  await guests[0]!.ports[0]!.send(packet);
  for (const guest of guests.slice(1)) expect(await guest.ports[0]!.receive()).toEqual(packet);
  expect(await program.stop()).toBe(0);
});

test("a lookup function of one's own, replaced while the host runs", async () => {
  const folder = runDir();
  const plugin = join(folder, 'firewall.so');
  await execa('make', ['-s', '-C', join(EXAMPLES, 'firewall'), `OUT=${plugin}`]);
  const { program, guests } = await start(
    'custom-lookup.mjs',
    ['web', 'client'],
    plugin,
    join(folder, 'run'),
  );
  const [web, client] = guests.map((guest) => guest.ports[0]!);
  const packet = probe({ seq: 1n, size: 100, src: A, dst: B });
  const arp = Uint8Array.from(packet);
  arp.set([8, 6], 12);
  await web!.send(packet);
  await web!.send(arp);
  expect(await client!.receive()).toEqual(arp);
  program.process.kill('SIGUSR2');
  await expect.poll(() => program.lines.length).toBe(3);
  await web!.send(packet);
  expect(await client!.receive()).toEqual(packet);
  expect(await program.stop()).toBe(0);
});
