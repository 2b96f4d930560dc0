// netmap's requests and what descriptors go through, by clients in C that check every answer and every error number.
import { expect, test } from 'vitest';
import { startClient } from '../../harness/application.ts';
import { openFds } from '../../harness/descriptors.ts';
import { startHost } from '../scene.ts';

const YAML = `
applications: {}
ports: { 'null:b': { tx-rings: 2, rx-rings: 3 } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`;

test.each(['requests', 'switches', 'descriptors', 'kloop', 'monitors', 'offsets'])('%s', async (name) => {
  const host = await startHost(YAML);
  const before = openFds();
  const client = await startClient(host, name, []);
  expect(await client.result()).toEqual({ failures: 0 });
  await expect.poll(() => host.host.stats().applications?.applications).toEqual([]);
  // What was made for them is gone.
  expect(host.host.stats().ports.map((port) => port.name)).toEqual(['vale0:1']);
  expect(host.warnings()).toEqual([]);
  await expect.poll(() => openFds()).toEqual(before);
});
