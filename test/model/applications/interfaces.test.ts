// Interfaces of the host as programs open them: with and without host rings, on a switch, and by others than root.
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { startClient } from '../../harness/application.ts';
import { openFds } from '../../harness/descriptors.ts';
import { netns } from '../../harness/interfaces.ts';
import { startHost } from '../scene.ts';

const CABLE = `ip link add name a type veth peer name b
ip link set dev a up
ip link set dev b up`;

test('interfaces', async () => {
  const net = await netns(CABLE);
  const host = await startHost(`
applications: {}
ports:
  'netmap:a': { netns: ${net.path} }
  'netmap:a^': { netns: ${net.path} }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`);
  const before = openFds().length;
  const client = await startClient(host, 'interfaces', ['a']);
  await client.ready();
  // What a program sends by a host ring the kernel receives on the host's side of the interface.
  const received = async (): Promise<number> =>
    JSON.parse(await net.ip('-s -j link show dev a^'))[0].stats64.rx.packets;
  await expect.poll(received).toBeGreaterThanOrEqual(3);
  // And the other way: the kernel asks who has an address there.
  await net.ip('address add 192.0.2.1/24 dev a^');
  await net.ip('link set dev a^ up');
  await net.run('sh', '-c', 'ping -c 1 -W 1 192.0.2.2 || true');
  expect(await client.result()).toEqual({ failures: 0 });
  await expect.poll(() => host.host.stats().applications?.applications).toEqual([]);
  expect(host.host.stats().ports.map((port) => port.name)).toEqual(['vale0:1']);
  expect(host.host.stats().members).toEqual([]);
  await expect.poll(() => openFds().length).toBeLessThanOrEqual(before);
});

test.each([
  [['netmap:a'], constants.errno.ENXIO],
  [['netmap:a', 'netmap:a^'], 0],
])('host rings for others than root, who may have %j: %i', async (ports, errno) => {
  const net = await netns(CABLE);
  const host = await startHost(`
applications: { socket-mode: '0666', ports: ${JSON.stringify(ports)} }
ports:
  'netmap:a': { netns: ${net.path} }
  'netmap:a^': { netns: ${net.path} }
`);
  const client = await startClient(host, 'interfaces', ['a', 'others', errno]);
  expect(await client.result()).toEqual({ failures: 0 });
  await expect.poll(() => host.host.stats().applications?.applications).toEqual([]);
  expect(host.host.stats().ports.map((port) => port.name)).toEqual(ports);
});
