// The check of a region and the host agree: what is accepted is built, and what "would be right" is right, and one less is not.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { ConfigurationError } from '../../../../backend/errors.ts';
import { PortTable } from '../../../../backend/ports/table.ts';
import { Engine } from '../../../../native/engine.ts';
import { StatsArea } from '../../../../native/stats.ts';

interface Shape {
  readonly txRings: number;
  readonly rxRings: number;
  readonly txSlots: number;
  readonly rxSlots: number;
}

const RIGHT = /^regions\.lan\.([a-z-]+): .*: (\d+) would be right$/;
const engine = new Engine();

const rings = fc.integer({ min: 1, max: 6 });
const slots = fc.integer({ min: 2, max: 300 });
const shape: fc.Arbitrary<Shape> = fc.record({
  txRings: rings,
  rxRings: rings,
  txSlots: slots,
  rxSlots: slots,
});
const keys = fc.record({
  'if-num': fc.integer({ min: 10, max: 12 }),
  'if-size': fc.integer({ min: 56, max: 200 }),
  'ring-num': fc.integer({ min: 2, max: 40 }),
  'ring-size': fc.integer({ min: 256, max: 6000 }),
  'buf-num': fc.integer({ min: 4, max: 4000 }),
});

type Named = readonly [name: string, shape: Shape];

/** The ports of a kind that are made together; NAME is replaced by a name of their own. */
const ports: fc.Arbitrary<readonly Named[]> = fc.oneof(
  fc.tuple(fc.constantFrom('null:NAME', 'vale0:NAME'), shape).map((named): Named[] => [named]),
  shape.map((s): Named[] => [['echo:NAME', { ...s, rxRings: s.txRings }]]),
  shape.map((s): Named[] => [
    ['NAME{1', s],
    ['NAME}1', { txRings: s.rxRings, rxRings: s.txRings, txSlots: s.rxSlots, rxSlots: s.txSlots }],
  ]),
);

function text(region: Record<string, number>, all: readonly Named[]): string {
  const entries = all.map(
    ([name, s]) =>
      `  '${name}': { tx-rings: ${s.txRings}, rx-rings: ${s.rxRings}, tx-slots: ${s.txSlots}, rx-slots: ${s.rxSlots} }`,
  );
  const devices = all.map(([name]) => `{ port: '${name}' }`).join(', ');
  const pools = Object.entries(region).map(([key, value]) => `${key}: ${value}`);
  return `regions: { lan: { ${pools.join(', ')} } }
ports:
${entries.join('\n')}
vms: { vm1: { region: lan, devices: [${devices}] } }`;
}

/** What the check says; undefined: nothing. */
function refusal(yaml: string): string | undefined {
  try {
    parseConfig(yaml, 'f');
    return undefined;
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems[0];
    throw error;
  }
}

test('what the check accepts is built, what it says would be right is accepted, and one less is not', () => {
  fc.assert(
    fc.property(keys, fc.array(ports, { minLength: 1, maxLength: 6 }), (given, groups) => {
      const all = groups.flatMap((group, i) =>
        group.map(([name, s]): Named => [name.replace('NAME', `p${i}`), s]),
      );
      const region: Record<string, number> = { ...given };
      // Each refusal names one key; in the end all are large enough.
      for (let message = refusal(text(region, all)); message !== undefined; ) {
        const [, key, right] = RIGHT.exec(message) ?? [];
        expect(key, message).toBeDefined();
        region[key!] = Number(right);
        const next = refusal(text(region, all));
        expect(next ?? '').not.toContain(`lan.${key}:`);
        const oneLess = text({ ...region, [key!]: Number(right) - 1 }, all);
        expect(refusal(oneLess)).toContain(`lan.${key}:`);
        message = next;
      }
      new PortTable(engine, new StatsArea(512)).build(parseConfig(text(region, all), 'f'));
    }),
    { numRuns: 100 },
  );
});
