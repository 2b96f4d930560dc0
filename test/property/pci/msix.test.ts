// The MSI-X table and its pending bits under any sequence of accesses: memory of its size, and nothing beyond it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPtnet } from '../../../pci/index.ts';
import { fakeBackend } from '../../unit/pci/guest.ts';
import { hold } from '../surface.ts';

const run = { seed: 20_265, numRuns: 300 };
const BAR = 2;
const SIZE = 4096;
const ENTRY = 16;

type Access = { readonly kind: 'write' | 'read'; readonly offset: number; readonly bytes: Uint8Array };

const accesses: fc.Arbitrary<Access[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Access['kind']>('write', 'write', 'read'),
    offset: fc.oneof(fc.nat(6 * ENTRY), fc.integer({ min: SIZE - 20, max: SIZE + 20 }), fc.integer()),
    bytes: fc.uint8Array({ maxLength: 16 }),
  }),
  { maxLength: 40 },
);

/** Beyond the end, across it, an entry's last word, and a width that no driver uses. */
const examples: [Access[]][] = [
  [[{ kind: 'write', offset: SIZE, bytes: new Uint8Array(4) }]],
  [[{ kind: 'write', offset: SIZE - 2, bytes: new Uint8Array(4).fill(0xff) }]],
  [[{ kind: 'write', offset: ENTRY - 4, bytes: new Uint8Array(4) }]],
  [[{ kind: 'write', offset: -1, bytes: new Uint8Array(3).fill(1) }]],
];

test('what lies in the BAR is what was written last', () => {
  hold(
    'MSI-X table',
    fc.property(accesses, (sequence) => {
      const device = createPtnet('vm1/net0', fakeBackend());
      const model = new Uint8Array(SIZE);
      // Every vector is masked at first.
      for (let vector = 0; vector < device.msixVectors; vector += 1) model[vector * ENTRY + ENTRY - 4] = 1;
      for (const { kind, offset, bytes } of sequence) {
        const inside = offset >= 0 && offset + bytes.length <= SIZE;
        if (kind === 'write') {
          device.writeBar(BAR, offset, bytes);
          if (inside) model.set(bytes, offset);
        } else {
          const read = new Uint8Array(bytes.length).fill(0xa5);
          device.readBar(BAR, offset, read);
          const wanted = inside
            ? model.subarray(offset, offset + bytes.length)
            : new Uint8Array(bytes.length);
          expect(Buffer.compare(read, wanted)).toBe(0);
        }
      }
      const whole = new Uint8Array(SIZE);
      device.readBar(BAR, 0, whole);
      expect(Buffer.compare(whole, model)).toBe(0);
    }),
    { ...run, examples },
  );
});
