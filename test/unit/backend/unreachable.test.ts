// Each cause for which a CSB cannot be reached has its own words.
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { explainUnreachable } from '../../../backend/unreachable.ts';

const { EACCES, EFAULT, EOPNOTSUPP } = constants.errno;
const ram = { address: 0x1000n, size: 0x1000n, flags: 3, offset: 0n, fd: 3 };

test.each([
  ['nothing is mapped at all', [], 0x1000n, EFAULT, /has mapped no memory at all.*virtual IOMMU/],
  ['nothing is mapped there', [ram], 0x2000n, EFAULT, /nothing is mapped there.*virtual IOMMU.*iommu=pt/],
  ['just before it', [ram], 0xf80n, EFAULT, /nothing is mapped there/],
  ['it begins before the map', [ram], 0xfc0n, EFAULT, /its 128 bytes run over the end of a map/],
  ['it ends behind the map', [ram], 0x1fc0n, EFAULT, /its 128 bytes run over the end of a map/],
  ['it is for reading only', [ram], 0x1000n, EACCES, /mapped for reading only/],
  ['it has no descriptor', [ram], 0x1000n, EOPNOTSUPP, /without a descriptor.*share=on/],
] as const)('%s', (_what, maps, address, errno, text) => {
  const said = explainUnreachable(maps, address, 128, errno);
  expect(said).toMatch(text);
  expect(said.includes('share=on')).toBe(errno === EOPNOTSUPP);
});
