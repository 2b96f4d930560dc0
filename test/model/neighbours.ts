// Two VMs on one host and one worker, for tests in which one misbehaves and the other must not notice.
import { expect } from 'vitest';
import { type RunningLoop, startLoop } from '../../guest-driver/addon/index.ts';
import { type Guest, type GuestOptions, type GuestPort, ringsOf } from '../../guest-driver/model/index.ts';
import { closeFd, socketPair } from '../../native/os.ts';
import { PTNET } from '../../pci/index.ts';
import type { TestHost } from '../harness/host.ts';
import { attach, onEnd, open, startHost } from './scene.ts';

const PACKETS = 10_000;

export class Neighbours {
  readonly host: TestHost;
  readonly bad: Guest;
  readonly #good: Guest;
  #seq = 0n;

  private constructor(host: TestHost, bad: Guest, good: Guest) {
    this.host = host;
    this.bad = bad;
    this.#good = good;
  }

  /** vm1 is the bad one, with `device` on its port null:a or another; vm2 the good one. */
  static async start(
    options: { device?: string; more?: string; guest?: Partial<GuestOptions> } = {},
  ): Promise<Neighbours> {
    const { device = "{ port: 'null:a' }", more = '', guest = {} } = options;
    const host = await startHost(`
engine: { workers: 1 }
ports: { 'null:a': {}, 'null:good': { sink: { verify: true } } }
vms:
  vm1: { devices: [${device}] }
  vm2: { devices: [{ port: 'null:good' }] }
${more}`);
    const good = await attach(host, 'vm2');
    const bad = await open(host, 'vm1', guest);
    // Its driver could not be unloaded after what it has done.
    onEnd(async () => await bad.crash());
    return new Neighbours(host, bad, good);
  }

  get port(): GuestPort {
    return this.bad.ports[0]!;
  }

  /** vm2 sends and receives, and every packet arrives as it was sent. */
  async expectUndisturbed(): Promise<void> {
    const port = this.#good.ports[0]!;
    const options = { count: BigInt(PACKETS), payload: 'full', sleep: true } as const;
    const before = this.host.packets('null:good', 'tx');
    const sending = await port.startLoop({ op: 'send', firstSeq: this.#seq, ...options });
    expect(await sending.done).toMatchObject({ stopped: 'count', pending: 0n });
    this.#seq += BigInt(PACKETS);
    expect(this.host.packets('null:good', 'tx') - before).toBe(PACKETS);
    expect(this.host.port('null:good').sink).toEqual({ lost: 0, late: 0, corrupt: 0 });
    this.host.host.setSource('null:good', source(PACKETS));
    const receiving = await port.startLoop({ op: 'receive', ...options });
    const { received } = await receiving.done;
    expect(received).toMatchObject({ packets: BigInt(PACKETS), lost: 0n, late: 0n, corrupt: 0n });
  }

  /** A line of the log that names vm1 and says this; the watch looks once a second. */
  async expectLog(line: RegExp): Promise<void> {
    const lines = () => this.host.warnings().filter((text) => text.startsWith('vm1/net0: '));
    await expect.poll(lines, { timeout: 10_000 }).toContainEqual(expect.stringMatching(line));
  }
}

export function source(packets: number | 'unlimited') {
  const addresses = { dst: 'ff:ff:ff:ff:ff:ff', src: '02:00:00:00:00:01' };
  return { packets, size: 60, payload: 'full', rate: 0, stream: 0, ...addresses } as const;
}

/**
 * A native loop over a port's rings that leaves the vfio-user socket to the test: its doorbells go nowhere, so the
 * device must poll.
 */
export function flood(port: GuestPort, op: 'send' | 'receive'): RunningLoop {
  const [socket, nowhere] = socketPair();
  const loop = startLoop({
    op,
    ...ringsOf(port),
    doorbell: { fd: socket, region: PTNET.IO_BAR, base: PTNET.KICK_BASE, wait: false },
    yieldAfter: 32,
  });
  onEnd(async () => {
    loop.stop();
    await loop.done;
    for (const fd of [socket, nowhere]) closeFd(fd);
  });
  return loop;
}

/** Waits until it is true; the test's own time limit is the only one. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
