// Every file in examples/ is a configuration that a host takes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../../backend/config/load.ts';
import { parsePortName } from '../../../../backend/config/port-name.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', '..', 'examples');
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

test.each(FILES)('%s', (name) => {
  expect(Object.keys(loadConfig(join(FOLDER, name)).vms)).not.toEqual([]);
});

test('there is one for each kind of port', () => {
  const ports = FILES.flatMap((name) => Object.keys(loadConfig(join(FOLDER, name)).ports));
  expect(new Set(ports.map((port) => parsePortName(port).kind))).toEqual(new Set(['null', 'pipe', 'vale']));
});
