// How long a guest is not served while another process takes its host over: the longest of its round trips meanwhile.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { projectRoot } from '../harness/paths.ts';
import { killAll, startGuests, stopGuests } from './guests.ts';
import { type GuestPlan, macOf } from './plans.ts';

/** Of a measurement. */
const TAKEOVERS = 3;
const RATE = 10_000;
/** Two that ping each other by a pipe, and others that are attached: 10 VMs with 200 rings. */
const OTHERS = 8;
const PIPE = { 'tx-rings': 2, 'rx-rings': 2 };
const OTHER = { 'tx-rings': 12, 'rx-rings': 12, 'tx-slots': 64, 'rx-slots': 64 };

interface TakeoverPlan {
  /** YAML, without run-dir. */
  readonly config: string;
  readonly pings: GuestPlan;
  readonly answers: readonly GuestPlan[];
}

function takeoverPlan(): TakeoverPlan {
  const others = Array.from({ length: OTHERS }, (_, i) => ({ vm: `other${i}`, port: `null:${i}` }));
  const config = stringify({
    regions: { lan: { 'buf-num': 9000 } },
    ports: { 'p{1': PIPE, 'p}1': PIPE, ...Object.fromEntries(others.map(({ port }) => [port, OTHER])) },
    vms: {
      vm1: { region: 'lan', devices: [{ port: 'p{1' }] },
      vm2: { region: 'lan', devices: [{ port: 'p}1' }] },
      ...Object.fromEntries(others.map(({ vm, port }) => [vm, { devices: [{ port }] }])),
    },
  });
  return {
    config,
    pings: { vm: 'vm1', loops: [{ op: 'ping', dst: macOf(1), rate: RATE, sleep: true }] },
    answers: [
      { vm: 'vm2', loops: [{ op: 'echo', payload: 'stamp', sleep: true }] },
      ...others.map(({ vm }) => ({ vm, loops: [] })),
    ],
  };
}

/** The longest round trip of 10,000 a second through some takeovers, in ns. */
export async function measureTakeover(): Promise<number> {
  const { config, pings, answers } = takeoverPlan();
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-bench-'));
  const file = join(folder, 'host.yaml');
  const runDir = join(folder, 'run');
  writeFileSync(file, config);
  const sockets = {
    sockets: (vm: string) => ['mem', 'net0'].map((name) => join(runDir, vm, `${name}.sock`)),
  };
  let host = up(file, runDir);
  try {
    await host.serves;
    const guests = await startGuests(sockets, [...answers, pings]);
    try {
      for (const guest of guests) guest.go();
      for (let i = 0; i < TAKEOVERS; i++) {
        const next = up(file, runDir, '--takeover');
        await next.serves;
        await host.ended;
        host = next;
      }
      const ping = (await stopGuests([guests.pop()!]))[0]!;
      if (ping.received.lost + ping.received.corrupt > 0) throw new Error('a takeover has lost packets');
      return ping.latency!.roundTrip.max;
    } finally {
      killAll(guests);
    }
  } finally {
    host.stop();
    await host.ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

function up(file: string, runDir: string, ...more: readonly string[]) {
  const main = join(projectRoot(), 'dist', 'backend', 'cli', 'main.js');
  const child = execa(process.execPath, [main, 'up', file, '--run-dir', runDir, ...more], { reject: false });
  const ended = child.then(({ exitCode, stderr }) => ({ exitCode, stderr }));
  const said = new Promise<boolean>((resolve) => {
    child.stdout.on('data', (text: Buffer) => {
      if (text.toString().includes('The host is running')) resolve(true);
    });
    void ended.then(() => resolve(false));
  });
  const serves = said.then(async (there) => {
    if (!there) throw new Error(`a host has not come up: ${(await ended).stderr}`);
  });
  return { serves, ended, stop: () => void child.kill('SIGTERM') };
}
