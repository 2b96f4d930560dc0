// docs/devices.md: its tables are those of the code. `vitest -u` writes them anew.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeRegisters, MEMDEV_REGISTERS, PTNET_REGISTERS, REJECT_CAUSES } from '../../../pci/index.ts';

const FILE = fileURLToPath(new URL('../../../docs/devices.md', import.meta.url));

const causes = Object.entries(REJECT_CAUSES).map(([cause, meaning]) => `| \`${cause}\` | ${meaning} |`);
const SECTIONS: Record<string, string> = {
  'registers of memdev': describeRegisters(MEMDEV_REGISTERS),
  'registers of ptnet': describeRegisters(PTNET_REGISTERS),
  causes: ['| cause | meaning |', '| --- | --- |', ...causes, ''].join('\n'),
};

/** Puts every section's table between its two markers. */
function fill(text: string): string {
  return Object.entries(SECTIONS).reduce((filled, [name, table]) => {
    const section = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- end -->)`);
    expect(filled, `docs/devices.md has no section '${name}'`).toMatch(section);
    return filled.replace(section, (_, start: string, end: string) => `${start}\n${table}\n${end}`);
  }, text);
}

test('docs/devices.md has the tables of the code', async () => {
  await expect(fill(readFileSync(FILE, 'utf8'))).toMatchFileSnapshot(FILE);
});
