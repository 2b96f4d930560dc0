// A guest that touches its memory region first has all of it mapped, which no page fault of a measurement has to do.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { open, startHost } from './scene.ts';

/** kB of the regions' mappings in this process that are there. */
function mappedKb(): number {
  const entries = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const regions = entries.filter((entry) => entry.includes('/memfd:ptnetmap-region-'));
  return regions.reduce((sum, entry) => sum + Number(/^Rss: +(\d+) kB$/m.exec(entry)![1]), 0);
}

test('every page of the region is mapped, with what was asked for only', async () => {
  const host = await startHost("vms: { vm1: { devices: [{ port: 'null:a' }] } }");
  const before = mappedKb();
  const plain = await open(host, 'vm1');
  expect(mappedKb() - before).toBeLessThan(plain.memdev.memsize / 2048);
  await plain.close();
  const guest = await open(host, 'vm1', { prefault: true });
  expect(mappedKb() - before).toBeGreaterThanOrEqual(Math.floor(guest.memdev.memsize / 1024));
});
