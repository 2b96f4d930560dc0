// docs/checks.md: what it says of each check is what the table of checks says. `npm run generate` writes it anew.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checksPage } from '../../backend/check/page.ts';
import { ROOT } from '../tidy/tree.ts';

const FILE = join(ROOT, 'docs', 'checks.md');
const SECTION = /(<!-- checks -->\n)[\s\S]*?(<!-- end -->)/;

test('docs/checks.md has every check', async () => {
  const text = readFileSync(FILE, 'utf8');
  expect(text).toMatch(SECTION);
  await expect(
    text.replace(SECTION, (_, start: string, end: string) => `${start}\n${checksPage()}\n${end}`),
  ).toMatchFileSnapshot(FILE);
});
