// Both devices under any sequence of guest accesses: nothing throws, and the host is asked only for what makes sense.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMemdev, createPtnet, PTNET, type PtnetBackend, type PtnetDevice } from '../../../pci/index.ts';
import { accessTo, bytesOf, fakeBackend, readBar } from '../../unit/pci/guest.ts';
import { fuzzing, hold } from '../surface.ts';

const SEED = 20_162;
const run = { seed: SEED, numRuns: 500 };

interface Access {
  kind: 'write' | 'read' | 'config' | 'reset' | 'stop';
  bar: number;
  offset: number;
  bytes: Uint8Array;
}

function registerWrite(offset: number, value: number): Access {
  return { kind: 'write', bar: 0, offset, bytes: bytesOf(value, 4) };
}

/** Mostly what a driver does, so that serving is reached, and anything at all between it. */
const plausible = fc
  .record({
    offset: fc.constantFrom<number>(
      PTNET.IO_PTCTL,
      PTNET.IO_PTFEAT,
      PTNET.IO_VNET_HDR_LEN,
      PTNET.IO_CSB_GH_BAH,
      PTNET.IO_CSB_GH_BAL,
      PTNET.IO_CSB_HG_BAH,
      PTNET.IO_CSB_HG_BAL,
      PTNET.KICK_BASE,
      PTNET.KICK_BASE + 16,
      PTNET.KICK_BASE + 20,
    ),
    value: fc.constantFrom(0, 1, 2, 12, 0x1000, 0xffffffff),
  })
  .map(({ offset, value }) => registerWrite(offset, value));

const anything: fc.Arbitrary<Access> = fc.record({
  kind: fc.constantFrom<Access['kind']>('write', 'write', 'read', 'config', 'reset', 'stop'),
  bar: fc.constantFrom(0, 0, 1, 2, 3, 5, 6, -1),
  offset: fc.oneof(fc.integer({ min: -8, max: 300 }), fc.integer({ min: 4000, max: 5000 }), fc.nat()),
  bytes: fc.uint8Array({ maxLength: 16 }),
});

/** The shortest way to being served; the address may be 0, which must not get there. */
const bringUp = fc
  .tuple(fc.constantFrom(0, 0x1000, 0x1000), fc.constantFrom(0, 0x2000, 0x2000))
  .map(([gh, hg]) => [
    registerWrite(PTNET.IO_CSB_GH_BAL, gh),
    registerWrite(PTNET.IO_CSB_HG_BAL, hg),
    registerWrite(PTNET.IO_PTCTL, 1),
  ]);

const one = (access: fc.Arbitrary<Access>) => access.map((value) => [value]);
const accesses = fc
  .array(
    fc.oneof(
      { weight: 1, arbitrary: bringUp },
      { weight: 4, arbitrary: one(plausible) },
      { weight: 2, arbitrary: one(anything) },
    ),
    { maxLength: 60, size: 'max' },
  )
  .map((parts) => parts.flat());

function perform(
  device: Pick<PtnetDevice, 'readBar' | 'writeBar' | 'config' | 'reset' | 'stop'>,
  access: Access,
): void {
  const { kind, bar, offset, bytes } = access;
  if (kind === 'write') device.writeBar(bar, offset, bytes);
  else if (kind === 'read') device.readBar(bar, offset, new Uint8Array(bytes.length));
  else if (kind === 'config') device.config.write(offset % 300, bytes);
  else if (kind === 'reset') device.reset();
  else device.stop();
}

/** A host that checks every request against what the guest has written so far. */
class StrictBackend implements PtnetBackend {
  readonly info = fakeBackend().info;
  readonly csb = { guestToHost: 0n, hostToGuest: 0n };
  serving = false;
  creates = 0;
  readonly #results: readonly number[];

  constructor(results: readonly number[]) {
    this.#results = results;
  }
  setFeatures(wanted: number): number {
    expect(wanted & ~this.info.features).toBe(0);
    return wanted;
  }
  setVnetHdrLen(wanted: number): number {
    expect([0, 10, 12]).toContain(wanted);
    return wanted;
  }
  create(csb: { guestToHost: bigint; hostToGuest: bigint }): number {
    expect(this.serving).toBe(false);
    expect(csb.guestToHost).not.toBe(0n);
    expect(csb.hostToGuest).not.toBe(0n);
    expect(csb).toEqual(this.csb);
    const result = this.#results[this.creates % this.#results.length]!;
    this.creates += 1;
    this.serving = result === 0;
    return result;
  }
  delete(): number {
    expect(this.serving).toBe(true);
    this.serving = false;
    return 0;
  }
  kick(ring: number): void {
    expect(this.serving).toBe(true);
    expect(ring).toBeLessThan(5);
  }
}

/** A second, simpler reading of the CSB registers: only whole registers count, and only a write to BAL does. */
class CsbReading {
  readonly #words = new Map<number, number>();
  readonly #csb: { guestToHost: bigint; hostToGuest: bigint };

  constructor(csb: { guestToHost: bigint; hostToGuest: bigint }) {
    this.#csb = csb;
  }
  #address(high: number, low: number): bigint {
    return (BigInt(this.#words.get(high) ?? 0) << 32n) | BigInt(this.#words.get(low) ?? 0);
  }
  before({ kind, bar, offset, bytes }: Access): void {
    if (kind === 'reset') {
      this.#words.clear();
      this.#csb.guestToHost = 0n;
      this.#csb.hostToGuest = 0n;
    }
    if (kind !== 'write' || bar !== 0 || offset < 0 || offset + bytes.length > 256) return;
    for (const register of [52, 56, 60, 64]) {
      const start = register - offset;
      if (start < 0 || start + 4 > bytes.length) continue;
      this.#words.set(register, new DataView(bytes.buffer, bytes.byteOffset).getUint32(start, true));
      if (register === 56) this.#csb.guestToHost = this.#address(52, 56);
      if (register === 64) this.#csb.hostToGuest = this.#address(60, 64);
    }
  }
}

test('ptnet: the host is asked for what the guest may ask for, and nothing throws', () => {
  let creates = 0;
  hold(
    'BARs of ptnet',
    fc.property(accesses, fc.array(fc.constantFrom(0, 0, 12), { minLength: 1 }), (sequence, results) => {
      const backend = new StrictBackend(results);
      const device = createPtnet('vm1/net0', backend);
      const csb = new CsbReading(backend.csb);
      for (const access of sequence) {
        csb.before(access);
        perform(device, access);
        expect(device.serving).toBe(backend.serving);
      }
      creates += backend.creates;
    }),
    run,
  );
  if (fuzzing) return;
  // The generator must reach the interesting states, or this test shows nothing.
  expect(creates).toBeGreaterThan(100);
});

test('ptnet: every reject is reported as often as it is counted', () => {
  hold(
    'rejects of ptnet',
    fc.property(accesses, (sequence) => {
      const reported: Record<string, number> = {};
      const onReject = (cause: string) => {
        reported[cause] = (reported[cause] ?? 0) + 1;
      };
      const device = createPtnet('vm1/net0', fakeBackend(), { onReject });
      for (const access of sequence) perform(device, access);
      expect(Object.fromEntries(Object.entries(device.counters).filter(([, n]) => n > 0))).toEqual(reported);
    }),
    run,
  );
});

const pool = { offset: 0x1000, count: 0x7a7b7c, size: 64 };
const memdev = (memory?: Uint8Array) =>
  createMemdev(
    'vm1/mem',
    {
      memsize: 0x1_2345_6000n,
      memid: 0xabcd,
      barSize: 0x2_0000_0000n,
      pools: { if: pool, ring: pool, buf: pool },
    },
    memory === undefined ? {} : { memory: accessTo(memory) },
  );

test('memdev: no access changes a register, and nothing throws', () => {
  hold(
    'BARs of memdev',
    fc.property(accesses, fc.boolean(), (sequence, withMemory) => {
      const device = memdev(withMemory ? new Uint8Array(4096) : undefined);
      const before = new Uint8Array(128);
      device.readBar(0, 0, before);
      for (const access of sequence) perform({ ...device, stop: () => undefined }, access);
      const after = new Uint8Array(128);
      device.readBar(0, 0, after);
      expect(after).toEqual(before);
    }),
    run,
  );
});

test.each([
  ['memdev', memdev, 128],
  ['ptnet', () => createPtnet('vm1/net0', fakeBackend()), 256],
  ['ptnet in memory', () => createPtnet('vm1/net0', fakeBackend(), { bar0: 'mem' }), 4096],
])('%s: a read of any width gives the bytes that 32-bit reads give', (_, make, size) => {
  const device = make();
  const expected: number[] = [];
  for (let offset = 0; offset < size; offset += 4) {
    const word = readBar(device, 0, offset);
    for (let lane = 0; lane < 4; lane += 1) expected.push((word >>> (8 * lane)) & 0xff);
  }
  expect(expected.some((byte) => byte !== 0)).toBe(true);
  fc.assert(
    fc.property(fc.nat(size - 1), fc.nat(16), (offset, wanted) => {
      const length = Math.min(wanted, size - offset);
      const bytes = new Uint8Array(length).fill(0xa5);
      device.readBar(0, offset, bytes);
      expect([...bytes]).toEqual(expected.slice(offset, offset + length));
    }),
    run,
  );
});
