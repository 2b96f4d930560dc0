// Tables and numbers of a terminal.
import { expect, test } from 'vitest';
import { columns, thousands } from '../../../../backend/report/columns.ts';

test('numbers have their thousands apart', () => {
  expect([0, 999, 1000, 1234567].map(thousands)).toEqual(['0', '999', '1,000', '1,234,567']);
});

test('columns are as wide as their widest cell, and no line ends with blanks', () => {
  expect(
    columns(
      ['path', 'Mpps', 'note'],
      [
        ['vm1/net0 -> host', '1.5', ''],
        ['x', '10', 'a b'],
      ],
      'lrl',
    ),
  ).toBe(
    `path              Mpps  note
----------------  ----  ----
vm1/net0 -> host   1.5
x                   10  a b
`,
  );
});
