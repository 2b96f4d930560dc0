// The control API of a live host: what it says of itself, and that it says so in the form that it promises.
import { lstatSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { BODY_BYTES_MAX } from '../../backend/control/app.ts';
import { ControlClient } from '../../backend/control/client.ts';
import * as schemas from '../../backend/control/schemas.ts';
import { startControlled } from './control-scene.ts';
import { attach, open } from './scene.ts';

const YAML = `
regions: { lan: { buf-num: 20000 } }
switches: { vale0: { rate: 1Gbit } }
ports: { 'null:a': { source: { packets: 1000 }, sink: { verify: true } } }
vms:
  vm1: { devices: [{ port: 'null:a' }, { port: 'vale0:1', policy: poll }] }
  vm2: { region: lan, devices: [{ port: 'p{1' }, { port: 'p}1' }] }
`;

test('every answer has the form that the OpenAPI document promises, with and without guests', async () => {
  const { host, client } = await startControlled(YAML);
  for (const when of ['without', 'with']) {
    const all = {
      host: [schemas.HostSchema, await client.host()],
      vms: [z.array(schemas.VmSchema), await client.vms()],
      ports: [z.array(schemas.PortSchema), await client.ports()],
      members: [z.array(schemas.MemberSchema), await client.members()],
      switches: [z.array(schemas.SwitchSchema), await client.switches()],
      stations: [z.array(schemas.StationSchema), await client.stations('vale0')],
      regions: [z.array(schemas.RegionSchema), await client.regions()],
      workers: [z.array(schemas.WorkerSchema), await client.workers()],
      stats: [schemas.StatsSchema, await client.stats()],
    } as const;
    for (const [name, [schema, answer]] of Object.entries(all))
      expect(schema.parse(answer), name).toEqual(answer);
    if (when === 'without') await attach(host, 'vm1');
  }
});

test('what a device is and does: a client, a driver, features, policy, worker', async () => {
  const { host, client } = await startControlled(YAML);
  const device = async () => (await client.vm('vm1')).devices[2]!;
  expect(await device()).toMatchObject({
    name: 'net1',
    kind: 'ptnet',
    port: 'vale0:1',
    connected: false,
    started: false,
    policy: 'poll',
    doorbells: 'message',
  });
  expect((await client.vm('vm1')).connected).toBe(false);
  const guest = await open(host, 'vm1');
  await expect.poll(device).toMatchObject({ connected: true, started: false });
  await guest.create();
  expect(await device()).toMatchObject({ connected: true, started: true, worker: 0 });
  expect((await client.vm('vm1')).connected).toBe(true);
  await guest.close();
  await expect.poll(device).toMatchObject({ connected: false, started: false });
});

test('figures, regions, switches and workers', async () => {
  const { host, client } = await startControlled(YAML);
  const guest = await attach(host, 'vm1');
  await (
    await guest.ports[0]!.startLoop({ op: 'receive', size: 60, payload: 'stamp', sleep: true, count: 1000n })
  ).done;
  const port = await client.port('null:a');
  expect(port).toMatchObject({ vm: 'vm1', device: 'net0', kind: 'null', region: 'vm:vm1', verify: 'full' });
  expect(port.rings.find(({ dir }) => dir === 'rx')!.packets).toBe(1000);
  expect(await client.switch('vale0')).toMatchObject({ lookup: 'learning', ports: ['vale0:1'], members: [] });
  const [lan] = await client.regions();
  expect(lan).toMatchObject({ name: 'lan', vms: ['vm2'], shared: false });
  expect((await client.workers())[0]!.busyRounds).toBeGreaterThan(0);
  expect(await client.config()).toContain('vale0:1');
});

test('a name that is not there is named with the nearest one', async () => {
  const { client } = await startControlled(YAML);
  await expect(client.vm('vm3')).rejects.toThrow("there is no VM 'vm3': 'vm1' would be right");
  await expect(client.port('vale0:2')).rejects.toThrow("no port 'vale0:2': 'vale0:1' would be right");
  await expect(client.get('/v1/nothing')).rejects.toThrow('there is no /v1/nothing');
});

test('the read-only socket answers and changes nothing', async () => {
  const { client, socket } = await startControlled(YAML);
  const answer = await raw(
    socket('control-ro.sock'),
    'GET /v1/host HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  );
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
  const body = '{"spinUs":5}';
  const no = await raw(
    socket('control-ro.sock'),
    `PATCH /v1/host HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  expect(no).toMatch(/^HTTP\/1.1 403 /);
  expect(no).toContain('"type":"urn:ptnetmap:problem:read-only"');
  expect((await client.host()).spinUs).toBe(100);
});

test('the sockets are the user’s own, and whose the file says', async () => {
  const own = await startControlled(YAML);
  for (const name of ['control.sock', 'control-ro.sock'])
    expect(lstatSync(own.socket(name)).mode & 0o777).toBe(0o600);
  const open = await startControlled(`control: { mode: '0660', read-mode: '0666' }\n${YAML}`);
  expect(lstatSync(open.socket()).mode & 0o777).toBe(0o660);
  expect(lstatSync(open.socket('control-ro.sock')).mode & 0o777).toBe(0o666);
});

test('bodies that are too large, are no JSON, or are not what is expected', async () => {
  const { client, socket } = await startControlled(YAML);
  await expect(client.apply('x'.repeat(BODY_BYTES_MAX + 1), 'f')).rejects.toThrow('fewer would be right');
  await expect(client.change('PATCH', '/v1/host', { spinUs: 'much' })).rejects.toThrow('spinUs');
  await expect(client.change('PATCH', '/v1/host', { spin: 1 })).rejects.toThrow(
    "the body: unknown key 'spin': 'spinUs' would be right",
  );
  await expect(client.change('PATCH', '/v1/vms/vm1/devices/net0', { policy: 'pol' })).rejects.toThrow(
    "policy: 'pol' is unknown: 'poll' would be right",
  );
  await expect(client.change('PATCH', '/v1/vms/vm1/devices/net0', { bar0: 7 })).rejects.toThrow(
    "bar0: '7' is unknown: 'io' or 'mem' would be right",
  );
  const answer = await raw(
    socket(),
    'PATCH /v1/host HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{x',
  );
  expect(answer).toMatch(/^HTTP\/1.1 400 /);
  expect(answer).toContain('application/problem+json');
});

test('who sends half a request, or nothing, does not keep others waiting', async () => {
  const { client, socket } = await startControlled(YAML);
  const silent = Array.from({ length: 20 }, () => connect(socket()));
  for (const peer of silent) peer.write('GET /v1/stats HTTP/1.1\r\nHo');
  for (let i = 0; i < 50; i++) expect((await client.stats()).ports).toHaveLength(4);
  for (const peer of silent) peer.destroy();
});

test('metrics by the socket and by TCP on the loopback', async () => {
  const { client, server } = await startControlled(`control: { metrics: '127.0.0.1:0' }\n${YAML}`);
  expect(await client.metrics()).toContain(
    'ptnet_port_receive_packets_total{vm="vm1",port="null:a",ring="0"} 0',
  );
  const answer = await fetch(`http://127.0.0.1:${server.metrics!.port}/metrics`);
  expect(answer.headers.get('content-type')).toContain('text/plain');
  expect(await answer.text()).toContain('ptnet_info{version="');
  expect((await fetch(`http://127.0.0.1:${server.metrics!.port}/v1/host`)).status).toBe(404);
});

test('without a host there is one line that says what to do', async () => {
  const { host, client, server, socket } = await startControlled(YAML);
  await server.close();
  await expect(client.stats()).rejects.toThrow(
    `${socket()}: no host is running there: 'ptnet up FILE' starts one`,
  );
  await host.close();
  await expect(ControlClient.connect({ runDir: '/etc/passwd' })).rejects.toThrow(
    '/etc/passwd/control.sock: no run-dir',
  );
});

/** What comes back for these bytes. */
function raw(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(path, () => socket.write(text));
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}
