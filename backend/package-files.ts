// Files that come with the program: the examples, the schema, its version; the same in a clone and in an installed package.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../native/load.ts';

export const SCHEMA_FILE = join(packageRoot(), 'docs', 'reference', 'ptnetmap.schema.json');
export const EXAMPLES_FOLDER = join(packageRoot(), 'examples');

export function packageVersion(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
