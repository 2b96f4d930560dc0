// docs/openapi.json is what a host says (`npm run generate` writes it), and every path of it is there.
import { expect, test } from 'vitest';
import { run } from '../../backend/cli/program.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';

test('docs/openapi.json is what `ptnet openapi` prints', async () => {
  const io = new FakeIo();
  expect(await run(['openapi'], io, () => Promise.reject(new Error('no host')))).toBe(0);
  await expect(io.stdout).toMatchFileSnapshot('../../docs/openapi.json');
  const document = JSON.parse(io.stdout);
  expect(document.openapi).toBe('3.1.0');
  expect(Object.keys(document.paths)).toContain('/v1/vms/{vm}/devices/{device}');
  for (const [path, methods] of Object.entries<Record<string, { summary?: string; responses: object }>>(
    document.paths,
  ))
    for (const [method, { summary, responses }] of Object.entries(methods)) {
      expect(summary, `${method} ${path}`).toBeTruthy();
      expect(Object.keys(responses), `${method} ${path}`).toEqual(['200', 'default']);
    }
});
