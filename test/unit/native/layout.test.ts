// The layouts that TypeScript uses are those of the C++ side, field by field.
import { expect, test } from 'vitest';
import { addon } from '../../../native/addon.ts';
import { Engine } from '../../../native/engine.ts';
import { IfView, LAYOUTS } from '../../../native/layout.ts';
import { Region } from '../../../native/memory.ts';
import { NullPort } from '../../../native/ports.ts';
import { COUNTER_LAYOUT, StatsArea } from '../../../native/stats.ts';

test('every offset and size is the one of the C++ side', () => {
  const { ring_counters, ...structures } = addon.layouts();
  expect(LAYOUTS).toEqual(structures);
  expect(COUNTER_LAYOUT).toEqual(ring_counters);
});

test('a port is found through its netmap_if', () => {
  const region = new Region({
    id: 4,
    ifNum: 4,
    ifSize: 1024,
    ringNum: 16,
    ringSize: 20_480,
    bufNum: 1000,
    bufSize: 2048,
  });
  const shape = { name: 'null:view', txRings: 2, rxRings: 1, txSlots: 64, rxSlots: 128, extraBufs: 3 };
  const port = new NullPort(new Engine(), region, new StatsArea(8), shape);
  const nifp = new IfView(region.buffer, port.info.nifpOfs);
  expect(nifp).toMatchObject({
    name: 'null:view',
    version: 15,
    txRings: 2,
    rxRings: 1,
    hostTxRings: 1,
    hostRxRings: 1,
  });
  expect(nifp.bufsHead).toBeGreaterThan(1);
  // NIC tx, host tx, NIC rx, host rx: host rings have a place and are not there.
  expect([0, 1, 2, 3, 4].map((i) => nifp.ringOfs(i) !== 0)).toEqual([true, true, false, true, false]);
  const tx1 = nifp.ring(1);
  expect(tx1).toMatchObject({ numSlots: 64, bufSize: 2048, ringid: 1, dir: 1, head: 0, cur: 0, tail: 63 });
  const rx0 = nifp.ring(3);
  expect(rx0).toMatchObject({ numSlots: 128, ringid: 0, dir: 0, tail: 0 });
  expect(Number(rx0.bufOfs) + rx0.offset).toBe(region.info.pools.buf.offset);
  const indices = new Set(Array.from({ length: 128 }, (_, i) => rx0.slot(i).bufIdx));
  expect(indices.size).toBe(128);
  expect(Math.min(...indices)).toBeGreaterThan(1);
});
