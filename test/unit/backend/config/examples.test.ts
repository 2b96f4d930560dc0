// Every file in examples/ is a configuration that a host takes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../../backend/config/load.ts';
import { parsePortName } from '../../../../backend/config/port-name.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', '..', 'examples');
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

test.each(FILES)('%s', (name) => {
  expect(loadConfig(join(FOLDER, name)).vms.size).toBeGreaterThan(0);
});

test('there is one for each kind of port', () => {
  const ports = FILES.flatMap((name) => [...loadConfig(join(FOLDER, name)).ports.keys()]);
  expect(new Set(ports.map((port) => parsePortName(port).kind))).toEqual(new Set(['null', 'pipe', 'vale']));
});
