// What is made from the program itself is as the program is now: schema, reference and man page. `npm run generate` writes them anew.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createProgram } from '../../backend/cli/program.ts';
import { configJsonSchema } from '../../backend/config/json-schema.ts';
import { packageVersion } from '../../backend/package-files.ts';
import { commandsReference } from '../../scripts/generate/commands.ts';
import { configurationReference } from '../../scripts/generate/configuration.ts';
import { manPage } from '../../scripts/generate/man.ts';
import { collectMessages, messagesReference } from '../../scripts/generate/messages.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const program = () => createProgram(new FakeIo(), () => Promise.reject(new Error('no host is started here')));

const FILES: Record<string, () => string> = {
  'docs/reference/ptnetmap.schema.json': () => `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
  'docs/reference/configuration.md': () => configurationReference(configJsonSchema()),
  'docs/reference/commands.md': () => commandsReference(program()),
  'docs/reference/messages.md': () => messagesReference(collectMessages(ROOT)),
  'man/ptnet.1': () => manPage(program(), packageVersion()),
};

test.each(Object.keys(FILES))('%s is fresh', async (file) => {
  await expect(FILES[file]!()).toMatchFileSnapshot(join(ROOT, file));
});

test('nothing else lies where these are', () => {
  for (const folder of ['docs/reference', 'man'])
    for (const name of readdirSync(join(ROOT, folder)))
      expect(Object.keys(FILES)).toContain(`${folder}/${name}`);
});
