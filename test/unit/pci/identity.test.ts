// The ids of the two devices, as guests' drivers look for them.
import { expect, test } from 'vitest';
import { createMemdev, createPtnet, PCI_IDS, type PciIds } from '../../../pci/index.ts';
import { fakeBackend, readConfig } from './guest.ts';

const pool = { offset: 0, count: 1, size: 64 };
const info = { memsize: 4096n, memid: 1, barSize: 4096n, pools: { if: pool, ring: pool, buf: pool } };

test.each([
  [undefined, 0x000c_1b36, 0x000d_1b36],
  ['1b36:000c', 0x000c_1b36, 0x000d_1b36],
  ['1b36:cccc', 0xcccc_1b36, 0xcccd_1b36],
] as const)('%s', (name, memdev, ptnet) => {
  const ids = name === undefined ? {} : { ids: name };
  expect(readConfig(createMemdev('mem', info, ids), 0)).toBe(memdev);
  expect(readConfig(createPtnet('net0', fakeBackend(), ids), 0)).toBe(ptnet);
});

test('a pair is named by the id of its memory device, and its network device has the next one', () => {
  for (const [name, { memdev, ptnet }] of Object.entries(PCI_IDS) as [PciIds, (typeof PCI_IDS)[PciIds]][]) {
    expect(name).toBe(`1b36:${memdev.toString(16).padStart(4, '0')}`);
    expect(ptnet).toBe(memdev + 1);
  }
});
