// What goes wrong around an application: interrupted calls, no memory, a host that ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startClient } from '../../harness/application.ts';
import { onEnd, startHost } from '../scene.ts';

const YAML = 'engine: { policy: notify }\napplications: {}\n';

test('a signal while it connects, and a host that hangs up on descriptors in epoll sets', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-stand-in-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  const client = await startClient(await startHost(YAML), 'faults', ['stand-in', folder]);
  expect(await client.result()).toEqual({ failures: 0 });
});

test('a doorbell that there is no memory for does not end it', async () => {
  const client = await startClient(await startHost(YAML), 'faults', ['memory', 'vale0:a']);
  expect(await client.result()).toEqual({ failures: 0 });
});

test('one that polls without sleeping sees the host end', async () => {
  const host = await startHost(YAML);
  const client = await startClient(host, 'faults', ['end', 'vale0:a']);
  await client.ready();
  await host.close();
  expect(await client.result()).toEqual({ failures: 0 });
});
