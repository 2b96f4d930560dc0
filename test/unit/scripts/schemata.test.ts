// Lines of C++ with all their mutants in them: which can be chosen at run time, and as what.
import { expect, test } from 'vitest';
import { mutantsOf } from '../../../scripts/mutate/mutants.mjs';
import { schemaOf } from '../../../scripts/mutate/schemata.mjs';

const numbered = (line: string) => mutantsOf('x.cc', line).map((mutant, i) => ({ ...mutant, number: i + 1 }));

test.each([
  ['  return a < b;', '  return ptnet_mutant == 1 ? (a <= b) : (a < b);'],
  [
    '  if (a && b) return;',
    '  if (ptnet_mutant == 1 ? bool(a || b) : ptnet_mutant == 2 ? bool(!(a && b)) : bool(a && b)) return;',
  ],
  [
    '  if (Status s = F(); !s.ok()) return s;',
    '  if (Status s = F(); ptnet_mutant == 1 ? bool(s.ok()) : bool(!s.ok())) return s;',
  ],
  ['  const bool same = a == b;', '  const bool same = ptnet_mutant == 1 ? (a != b) : (a == b);'],
  ['  Publish(k);  // now', '  { if (ptnet_mutant == 1) { ; } else { Publish(k); } }  // now'],
  [
    '  k.hwcur = true;',
    '  { if (ptnet_mutant == 1) { k.hwcur = false; } else if (ptnet_mutant == 2) { ; } else { k.hwcur = true; } }',
  ],
  [
    '  for (uint32_t i = n; i < m; i++) {',
    '  for (uint32_t i = n; ptnet_mutant == 1 ? bool(i <= m) : bool(i < m); ' +
      'ptnet_mutant == 2 ? void((i--)) : void((i++))) {',
  ],
])('%s', (line, text) => {
  const mutants = numbered(line);
  const schema = schemaOf(line, mutants);
  expect(schema.text).toBe(text);
  expect(schema.numbers.toSorted()).toEqual(mutants.map(({ number }) => number));
});

test.each([
  'constexpr uint32_t kMost = 7;',
  '  const timespec timeout{a / 2, b + 3};',
  '  if (auto* watch = Find(a + b)) {',
  '      a + b > c ||',
])('built alone: %s', (line) => {
  expect(schemaOf(line, numbered(line))).toEqual({ text: line, numbers: [] });
});
