// Guests that are driver models: for each path and end a process of its own, which opens that one device.
import type { Host } from '../backend/host.ts';
import { type JobLoop, type SpawnedGuest, spawnGuest } from '../guest-driver/model/index.ts';
import { type Guests, NOBODY, type Receiver, type Traffic } from './guests.ts';
import type { End } from './paths.ts';

export class ModelGuests implements Guests {
  readonly kind = 'model';
  readonly #host: Host;
  readonly #running = new Set<SpawnedGuest>();

  constructor(host: Host) {
    this.#host = host;
  }

  async send(end: End, { seconds, dst }: { seconds: number; dst: string }): Promise<Traffic> {
    return await this.#run(end, { op: 'send', seconds, dst }).done;
  }

  async announce(end: End): Promise<void> {
    await this.#run(end, { op: 'send', count: 1, dst: NOBODY }).done;
  }

  async receive(end: End, options: { seconds: number; idleMs?: number }): Promise<Receiver> {
    const { ready, done } = this.#run(end, { op: 'receive', ...options });
    await ready;
    return { done };
  }

  async close(): Promise<void> {
    for (const guest of this.#running) guest.stop();
    await Promise.allSettled([...this.#running].map((guest) => guest.done));
  }

  /** The loops sleep when they have nothing to do, so the guests leave the cores to each other and to the host. */
  #run(end: End, loop: JobLoop): { ready: Promise<unknown>; done: Promise<Traffic> } {
    const devices = this.#host.vms.find((vm) => vm.name === end.vm)!.devices;
    const [memdev, ...ptnets] = devices.map((device) => device.socketPath);
    const guest = spawnGuest({
      memdev: memdev!,
      ptnet: [ptnets[end.device]!],
      loops: [{ payload: 'full', sleep: true, ...loop }],
    });
    this.#running.add(guest);
    const done = guest.done.then(([result]) => {
      if (result!.error !== undefined) throw new Error(`${end.vm} on ${end.port}: ${result!.error}`);
      const { sent, received, pending, seconds } = result!;
      return {
        sent: sent.packets - pending,
        received: received.packets,
        lost: received.lost,
        corrupt: received.corrupt,
        seconds,
      };
    });
    done.catch(() => {}).finally(() => this.#running.delete(guest));
    return { ready: guest.ready, done };
  }
}
