// Ports in programs' own memory (NETMAP_REQ_OPT_EXTMEM): the client checks each answer and each packet, and here what is left.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startClient } from '../../harness/application.ts';
import { openFds } from '../../harness/descriptors.ts';
import { onEnd, startHost } from '../scene.ts';

const YAML = `
engine: { policy: notify }
applications: {}
ports: { 'null:b': { tx-rings: 2, rx-rings: 3 } }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`;

test.each(['extmem', 'extmem_traffic'])('%s', async (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-extmem-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  const host = await startHost(YAML);
  const before = openFds();
  const client = await startClient(host, name, [join(folder, 'memory')]);
  expect(await client.result()).toEqual({ failures: 0 });
  await expect.poll(() => host.host.stats().applications?.applications).toEqual([]);
  expect(host.host.state().regions.map(({ name }) => name)).toEqual(['vm:vm1']);
  expect(host.warnings()).toEqual([]);
  await expect.poll(() => openFds()).toEqual(before);
});
