// A program of the guest that knows no device: it maps netmap_if and uses every ring that has an offset there.
import { Csb } from './csb.ts';
import type { GuestPort } from './port.ts';
import { RxRing, TxRing } from './ring.ts';
import { SharedRing } from './shared-ring.ts';

/**
 * netmap's clients look through indices 0 to tx_rings + host_tx_rings - 1, then through those of rx, and take each ring
 * with an offset for one that they may use. Made after CREATE.
 */
export class Application {
  readonly tx: readonly TxRing[];
  readonly rx: readonly RxRing[];

  constructor(port: GuestPort) {
    const { hostTx, hostRx } = port.netmapIf;
    const there = (offsets: readonly number[]) => offsets.filter((offset) => offset !== 0);
    const tx = there(hostTx).map((offset, i) => new TxRing(unserved(port, 'tx', i, offset)));
    const rx = there(hostRx).map((offset, i) => new RxRing(unserved(port, 'rx', i, offset)));
    for (const ring of [...tx, ...rx]) ring.loadFromCsb();
    this.tx = [...port.tx, ...tx];
    this.rx = [...port.rx, ...rx];
  }

  /** Deals packets to all tx rings in turn, then waits until all have left. Resolves to how many are still there. */
  async send(packets: readonly Uint8Array[], timeoutMs: number): Promise<number> {
    const deadline = Date.now() + timeoutMs;
    const count = this.tx.length;
    const queues = this.tx.map((ring, i) => ({ ring, left: packets.filter((_, k) => k % count === i) }));
    for (;;) {
      for (const { ring, left } of queues) {
        while (left[0] && ring.put(left[0])) left.shift();
        await ring.txsync();
      }
      const waiting = queues.reduce((sum, { ring, left }) => sum + left.length + ring.pending(), 0);
      if (waiting === 0 || Date.now() > deadline) return waiting;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** A ring without a place in the device's CSB: nobody reads what is published there, nobody rings for it. */
function unserved(port: GuestPort, kind: 'tx' | 'rx', number: number, offset: number) {
  const shared = new SharedRing(port.memdev, offset);
  const csb = Csb.allocate();
  csb.atok(0).head = shared.head;
  csb.atok(0).cur = shared.cur;
  csb.ktoa(0).hwcur = shared.head;
  csb.ktoa(0).hwtail = shared.tail;
  return { name: `${port.name}: host ${kind} ring ${number}`, shared, csb, index: 0, kick: async () => {} };
}
