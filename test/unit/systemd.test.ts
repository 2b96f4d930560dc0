// The systemd unit and its drop-in: what systemd-analyze says of them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot } from '../harness/paths.ts';

const UNIT = join(projectRoot(), 'systemd', 'ptnetmap.service');
const DROP_IN = join(projectRoot(), 'systemd', 'ptnetmap-interfaces.conf');
/** Of 10; the unit's pages promise less. */
const EXPOSURE_MAX = 3;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-unit-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The exposure of a unit in a folder, from 0 to 10. */
function exposure(unit: string): number {
  const out = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', unit], {
    encoding: 'utf8',
  });
  return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(out)?.[1]);
}

test('the unit is rated below 1', () => {
  expect(exposure(UNIT)).toBeLessThan(1);
});

test('with the drop-in for interfaces it stays below 3', () => {
  // Offline, drop-ins are not read: what they say is put behind the rest of the section.
  const text = readFileSync(UNIT, 'utf8').replace('[Install]', () => {
    const [, service] = readFileSync(DROP_IN, 'utf8').split('[Service]');
    return `${service}\n[Install]`;
  });
  const unit = join(folder, 'ptnetmap.service');
  writeFileSync(unit, text);
  expect(exposure(unit)).toBeLessThan(EXPOSURE_MAX);
});

test('what is left open is explained', () => {
  const text = readFileSync(UNIT, 'utf8');
  const out = execFileSync(
    'systemd-analyze',
    ['security', '--offline=true', '--no-pager', '--json=short', UNIT],
    { encoding: 'utf8' },
  );
  const rows = JSON.parse(out) as { set: boolean | null; name: string; exposure: string | null }[];
  const open = rows
    .filter(({ set, exposure: one }) => set === false && one !== null && Number(one) > 0)
    .map(({ name }) => name.replace(/=$/, ''));
  const known = text.slice(text.indexOf('# What is left open'));
  expect(open.length).toBeGreaterThan(0);
  expect(open.filter((name) => !known.includes(`# - ${name}: `))).toEqual([]);
});
