// Each cause for which a CSB cannot be reached has its own words.
import { expect, test } from 'vitest';
import { explainUnreachable } from '../../../backend/unreachable.ts';

test.each([
  ['nothing is mapped at all', 'unmapped', true, /has mapped no memory at all.*virtual IOMMU/],
  ['nothing is mapped there', 'unmapped', false, /nothing is mapped there.*virtual IOMMU.*iommu=pt/],
  ['it runs over the end of a map', 'beyond', false, /its 128 bytes run over the end of a map/],
  ['it is for reading only', 'access', false, /not mapped for reading and writing/],
  ['it has no descriptor', 'private', false, /without a descriptor.*share=on/],
  ['its file is somewhere else', 'foreign', false, /not in memory.*memfd/],
] as const)('%s', (_what, miss, nothing, text) => {
  const said = explainUnreachable(miss, 128, nothing);
  expect(said).toMatch(text);
  expect(said.includes('share=on')).toBe(miss === 'private');
});
