// Every file in examples/ is a configuration that a host takes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../../backend/config/load.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', '..', 'examples');
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

test.each(FILES)('%s', (name) => {
  expect(loadConfig(join(FOLDER, name)).vms.size).toBeGreaterThan(0);
});
