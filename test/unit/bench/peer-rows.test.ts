/** Peers in the report: their own rates, and how ours compare with those that do the like. */
import { expect, test } from 'vitest';
import { peerRows } from '../../bench/peer-rows.ts';
import { resultRows } from '../../bench/result-rows.ts';
import type { Sample } from '../../bench/sample.ts';
import { labelOf, type Scenario } from '../../bench/scenarios.ts';

const MODEL: Scenario = {
  path: 'guest-to-host',
  vm: false,
  size: 60,
  rings: 1,
  burst: 256,
  payload: 'none',
};
const VM: Scenario = { ...MODEL, vm: true };
const peer = (name: string, vm: boolean) => ({
  name,
  sizes: () => [60, 256],
  comparesWith: (scenario: Pick<Scenario, 'vm'>) => scenario.vm === vm,
});
const PEERS = [peer('process', false), peer('machine', true)];

const SAMPLES: Record<string, readonly Sample[]> = {
  [labelOf(MODEL)]: [{ value: 8e6 }, { value: 8e6 }],
  [labelOf(VM)]: [{ value: 3e6 }, { value: 3e6 }],
  'peer process size=60': [{ value: 2e6 }, { value: 4e6 }],
  'peer machine size=60': [{ value: 1e6 }, { value: 1e6 }],
};
const of = (label: string) => SAMPLES[label] ?? [];

test('a peer has a row for each size that was measured', () => {
  expect(peerRows(PEERS, of)).toEqual([
    { name: 'process', size: 60, mpps: { median: 3, min: 2, max: 4 } },
    { name: 'machine', size: 60, mpps: { median: 1, min: 1, max: 1 } },
  ]);
});

test('a row is divided only by the peers that do the like', () => {
  const rows = resultRows([MODEL, VM], { of, limits: [], peers: PEERS });
  expect(rows.map(({ vsPeer }) => vsPeer)).toEqual([{ process: 3 }, { machine: 3 }]);
});
