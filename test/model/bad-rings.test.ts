// A guest that writes anything at all into its rings, slots and ring headers: the host counts what is wrong by the
// rules of the CSB, and the VM beside it is served.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type GuestPort, NS } from '../../guest-driver/model/index.ts';
import { flood, Neighbours, until } from './neighbours.ts';
import { attach } from './scene.ts';

const INLINE = "{ port: 'null:a', policy: inline }";
const POLL = "{ port: 'null:a', policy: poll }";
const TX = 0;
const RX = 1;

const anyU32 = fc.integer({ min: 0, max: 0xffff_ffff });
/** Mostly around what a ring of 1024 slots has. */
const anyIndex = fc.oneof(
  { weight: 6, arbitrary: fc.nat(1100) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1022, 1023, 1024, 1025, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff) },
  { weight: 1, arbitrary: anyU32 },
);

/** Whether head and cur lie in what the guest owns, from the CSB as it is. */
function isLegal(port: GuestPort, ring: number, head: number, cur: number): boolean {
  const { hwcur, hwtail } = port.ptnet.csb.ktoa(ring);
  const slots = port.rings[ring]!.numSlots;
  // A head that has not moved brings nothing, whatever cur is.
  if (head === hwcur) return true;
  const distance = (to: number) => (to - hwcur + slots) % slots;
  const owned = distance(hwtail);
  return head < slots && cur < slots && distance(head) <= owned && distance(cur) <= owned;
}

test('head and cur anywhere: counted when they are wrong, and only then', async () => {
  const both = await Neighbours.start({ device: INLINE });
  const { port, host } = both;
  await both.bad.create();
  let bad = 0;
  let good = 0;
  const writes = fc.array(fc.record({ ring: fc.constantFrom(TX, TX, RX), head: anyIndex, cur: anyIndex }), {
    minLength: 1,
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(writes, async (sequence) => {
      for (const { ring, head, cur } of sequence) {
        const dir = ring === TX ? 'tx' : 'rx';
        const before = host.ring('null:a', dir).badIndex;
        const legal = isLegal(port, ring, head, cur);
        port.rings[ring]!.setHead(head, cur);
        await port.ptnet.kick(ring);
        // The source has nothing to send, so its side looks at nothing.
        const counted = ring === TX && !legal ? 1 : 0;
        expect(host.ring('null:a', dir).badIndex - before).toBe(counted);
        bad += counted;
        good += ring === TX && legal ? 1 : 0;
        const { hwcur, hwtail } = port.ptnet.csb.ktoa(ring);
        if (ring === TX && legal) expect([hwcur, hwtail]).toEqual([head, (head + 1023) % 1024]);
      }
    }),
    { seed: 20_265, numRuns: 60 },
  );
  expect(Math.min(bad, good)).toBeGreaterThan(50);
  await both.expectLog(/tx 0 ring: head or cur outside what the guest owns/);
  await both.expectUndisturbed();
  await port.delete();
  await port.create();
  expect(await both.bad.send(new Uint8Array(60))).toBe(true);
});

test('indices that change all the time while the worker polls them', async () => {
  const both = await Neighbours.start({ device: POLL });
  const { port } = both;
  await both.bad.create();
  const numbers = fc.sample(fc.tuple(anyIndex, anyIndex), { seed: 20_266, numRuns: 5000 });
  for (const [i, [head, cur]] of numbers.entries()) {
    for (const ring of port.rings) ring.setHead(head, cur);
    // A bad index parks the ring until a kick.
    if (i % 16 === 0) for (const ring of port.rings) await port.ptnet.kick(ring.index);
  }
  await both.expectLog(/head or cur outside/);
  await both.expectUndisturbed();
});

interface AnySlot {
  readonly bufIdx: number;
  readonly len: number;
  readonly flags: number;
  readonly ptr: bigint;
}
const anySlot: fc.Arbitrary<AnySlot> = fc.record({
  bufIdx: fc.oneof(fc.nat(6000), fc.constantFrom(0, 1, 2, 0x8000_0000, 0xffff_ffff), anyU32),
  len: fc.oneof(fc.integer({ min: 14, max: 2048 }), fc.constantFrom(0, 13, 2049, 0xffff)),
  flags: fc.oneof(fc.constantFrom(0, 0, 0, NS.MOREFRAG, NS.INDIRECT, 0x2f, 0xffff), fc.nat(0xffff)),
  ptr: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
});

function fill(port: GuestPort, slots: readonly AnySlot[]): void {
  const ring = port.tx[0]!;
  for (const [i, slot] of slots.entries()) Object.assign(ring.slot(i), slot);
}

const dropsOf = (drops: Readonly<Record<string, number>>) => Object.values(drops).reduce((a, b) => a + b, 0);

test('slots with any buf_idx, len, flags and ptr, to a sink', async () => {
  const both = await Neighbours.start({ device: INLINE });
  const { port, host } = both;
  await both.bad.create();
  const { count } = port.memdev.bufPool;
  await fc.assert(
    fc.asyncProperty(fc.array(anySlot, { minLength: 1, maxLength: 40 }), async (slots) => {
      const ring = port.tx[0]!;
      const before = host.ring('null:a', 'tx');
      fill(port, [...slots, { bufIdx: 2, len: 60, flags: 0, ptr: 0n }]);
      ring.advance(slots.length + 1);
      await ring.txsync();
      await port.ptnet.kick(TX);
      const after = host.ring('null:a', 'tx');
      const packets = [...slots, { flags: 0 }].filter(({ flags }) => (flags & NS.MOREFRAG) === 0).length;
      // Every packet is counted once: as it should be or by what is wrong with it.
      const seen = after.packets - before.packets + dropsOf(after.drops) - dropsOf(before.drops);
      expect(seen).toBe(packets);
      const fine = (slot: AnySlot) => {
        const { bufIdx, len, flags } = slot;
        return bufIdx >= 2 && bufIdx < count && len <= 2048 && (flags & NS.INDIRECT) === 0;
      };
      if (!slots.some(fine)) expect(after.packets - before.packets).toBeLessThanOrEqual(1);
      ring.loadFromCsb();
    }),
    { seed: 20_267, numRuns: 200 },
  );
  const { drops } = host.ring('null:a', 'tx');
  for (const cause of ['bad-buf', 'bad-len', 'bad-flags'] as const) expect(drops[cause]).toBeGreaterThan(20);
  await both.expectLog(/tx 0 ring: buf_idx outside the region/);
  await both.expectLog(/tx 0 ring: len beyond the buffer/);
  await both.expectLog(/tx 0 ring: NS_INDIRECT/);
  await both.expectUndisturbed();
});

test('the same slots through a switch: nobody else gets a buffer that is not his, or more than fits', async () => {
  const more = "  vm3: { devices: [{ port: 'vale0:2' }] }";
  const both = await Neighbours.start({ device: "{ port: 'vale0:1', policy: poll }", more });
  const { port, host } = both;
  const other = await attach(host, 'vm3');
  await both.bad.create();
  const rx = other.ports[0]!.rx[0]!;
  const own = Array.from({ length: rx.numSlots }, (_, i) => rx.shared.slot(i).bufIdx);
  for (const slots of fc.sample(fc.array(anySlot, { minLength: 1, maxLength: 40 }), {
    seed: 20_268,
    numRuns: 200,
  })) {
    const ring = port.tx[0]!;
    if (ring.available() < slots.length + 1) break;
    fill(port, [...slots, { bufIdx: 2, len: 60, flags: 0, ptr: 0n }]);
    ring.advance(slots.length + 1);
    await ring.txsync();
    await port.ptnet.kick(TX);
    await until(() => ring.ktoa.hwcur === ring.head);
    ring.loadFromCsb();
    for (let packet = rx.take(); packet !== undefined; packet = rx.take()) {
      expect(packet.length).toBeLessThanOrEqual(64 * 2048);
    }
    await rx.rxsync();
  }
  expect(host.packets('vale0:2', 'rx')).toBeGreaterThan(100);
  expect(Array.from({ length: rx.numSlots }, (_, i) => rx.shared.slot(i).bufIdx).sort()).toEqual(own.sort());
  await both.expectLog(/tx 0 ring: buf_idx outside the region/);
  await both.expectUndisturbed();
});

test('ring headers, netmap_if and a whole region overwritten while packets move', async () => {
  const both = await Neighbours.start({ device: POLL });
  const { port, host } = both;
  await both.bad.create();
  const sending = flood(port, 'send');
  await until(() => sending.progress().sent > 1000n);
  // The loop has its own copies of what is in the headers, as a driver has; the host must have them as well.
  for (const ring of port.rings) ring.shared.bytes.fill(0xff, 0, 256);
  const { offset, size, count } = port.memdev.ifPool;
  new Uint8Array(port.memdev.buffer, offset, size * count).fill(0xff);
  const then = host.packets('null:a', 'tx');
  await until(() => host.packets('null:a', 'tx') > then + 10_000);
  await both.expectUndisturbed();
  sending.stop();
  expect(await sending.done).toMatchObject({ stopped: 'stop' });
  // Now everything, slots and buffers as well, with indices that are right: only the slots are noise.
  const noise = fc.sample(fc.uint8Array({ minLength: 64, maxLength: 64 }), { seed: 20_269, numRuns: 50 });
  const region = new Uint8Array(port.memdev.buffer);
  for (const bytes of noise) {
    for (let at = 0; at + bytes.length <= region.length; at += bytes.length) region.set(bytes, at);
    const { hwcur, hwtail } = port.tx[0]!.ktoa;
    port.tx[0]!.setHead(hwtail);
    await port.ptnet.kick(TX);
    await until(() => port.tx[0]!.ktoa.hwcur !== hwcur || host.drops('null:a', 'tx') > 0);
  }
  await both.expectLog(/tx 0 ring: /);
  await both.expectUndisturbed();
});
