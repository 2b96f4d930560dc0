// Persistent ports by the command and by the API: made, on switches, in use by a program, and removed; and what is refused.
import { expect, test } from 'vitest';
import { run } from '../../backend/cli/program.ts';
import { startClient } from '../harness/application.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';
import { startControlled } from './control-scene.ts';
import { attach } from './scene.ts';

const VMS = "vms: { vm1: { devices: [{ port: 'vale0:1' }] } }";
const YAML = `applications: {}\n${VMS}`;

async function scene(yaml = YAML) {
  const controlled = await startControlled(yaml);
  const vale = async (...words: string[]) => {
    const io = new FakeIo();
    const args = ['vale', ...words, '--run-dir', controlled.host.runDir];
    const status = await run(args, io, () => Promise.reject(new Error('no host is to be started')));
    return { status, out: io.stdout, err: io.stderr };
  };
  return { ...controlled, vale };
}

test('one is made, put on a switch, used by a program, taken off and removed', async () => {
  const { vale, host, client } = await scene();
  expect(await vale('-n', 'v0', '-C', '512,256')).toEqual({
    status: 0,
    out: 'v0: tx 1 x 512, rx 1 x 256, on no switch\n',
    err: '',
  });
  expect(await client.persistentPorts()).toEqual([
    { name: 'v0', uid: 0, txRings: 1, rxRings: 1, txSlots: 512, rxSlots: 256, memId: 0, attachedAs: [] },
  ]);
  expect((await vale('-l')).out).toBe('vale0:1 bridge_idx 0 port_idx 0\n');
  expect((await vale('-a', 'vale0:v0')).out).toBe('v0: tx 1 x 512, rx 1 x 256, vale0:v0\n');
  expect((await vale('-l')).out).toContain('vale0:v0 bridge_idx 0 port_idx 1\n');
  const guest = await attach(host, 'vm1');
  const echo = await startClient(host, 'traffic', ['v0', 'echo', 100]);
  await echo.ready();
  expect((await vale('-d', 'vale0:v0')).err).toBe('ptnet: vale0:v0: an application has it open\n');
  const loop = await guest.ports[0]!.startLoop({ op: 'ping', count: 100n, sleep: true });
  expect((await loop.done).received).toMatchObject({ packets: 100n, lost: 0n, corrupt: 0n });
  expect(await echo.result()).toMatchObject({ received: 100 });
  expect((await vale('-r', 'v0')).err).toBe('ptnet: v0: attached as vale0:v0: detach it first\n');
  expect(JSON.parse((await vale('-d', 'vale0:v0', '--json')).out)).toMatchObject({ attachedAs: [] });
  expect((await vale('-r', 'v0')).out).toBe('v0: tx 1 x 512, rx 1 x 256, on no switch\n');
  expect(await client.persistentPorts()).toEqual([]);
  expect(host.host.stats().ports.map(({ name }) => name)).toEqual(['vale0:1']);
});

test.each([
  ['1024', { txSlots: 1024, rxSlots: 1024, txRings: 1, rxRings: 1 }],
  ['512,256,2', { txSlots: 512, rxSlots: 256, txRings: 2, rxRings: 2 }],
  ['512,256,2,3', { txSlots: 512, rxSlots: 256, txRings: 2, rxRings: 3 }],
])('-C %s is what vale-ctl makes of it', async (rings, shape) => {
  const { vale, client } = await scene();
  expect((await vale('-n', 'v0', '-C', rings)).status).toBe(0);
  expect(await client.persistentPorts()).toMatchObject([shape]);
});

test('what is refused', async () => {
  const { vale, client } = await scene();
  expect((await vale('-n', 'v0')).status).toBe(0);
  for (const [words, status, says] of [
    [['-n', 'v0'], 1, 'v0: there already'],
    [['-n', 'vale0:v1'], 1, "'vale0:v1': a name such as 'v0' would be right"],
    [['-n', 'name-of-sixteen'], 1, "a name such as 'v0'"],
    [['-n', ''], 1, 'ptnet: '],
    [['-n', '接口'], 1, "a name such as 'v0'"],
    [['-n', 'v1', '-C', '1,2,3,4,5'], 2, "-C '1,2,3,4,5': tx slots"],
    [['-n', 'v1', '-C', 'x'], 2, "-C 'x': tx slots"],
    [['-n', 'v1', '-C', '-1'], 2, ''],
    [['-n', 'v1', '-m', '70000'], 2, "-m '70000': the id of a region"],
    [['-C', '512'], 2, '-C and -m say what is made'],
    [['-r', 'v0', '-m', '1'], 2, '-C and -m say what is made'],
    [['-n', 'v1', '-r', 'v0'], 2, 'one verb at a time'],
    [['-r', 'v9'], 1, 'v9: no persistent port has that name'],
    [['-h', 'vale0:v0'], 2, "a persistent port has no side of the machine's"],
    [['-d', 'vale0:v0'], 1, 'vale0:v0: not attached'],
    [['-a', 'other0:v0'], 2, 'is not SWITCH:INTERFACE'],
  ] as const) {
    const { status: got, err } = await vale(...words);
    expect({ words, status: got, err }).toMatchObject({ words, status, err: expect.stringContaining(says) });
  }
  expect((await vale('-a', 'vale0:v0')).status).toBe(0);
  expect((await vale('-a', 'vale0:v0')).err).toBe('ptnet: vale0:v0: attached already\n');
  // Rings and regions that cannot be are told when it is to lie somewhere.
  for (const [name, how, says] of [
    ['v1', ['-C', '1'], 'rings of 1 slots'],
    ['v2', ['-m', '4242'], '4242'],
  ] as const) {
    expect((await vale('-n', name, ...how)).status).toBe(0);
    expect((await vale('-a', `vale0:${name}`)).err).toContain(says);
  }
  expect((await client.persistentPorts()).map(({ attachedAs }) => attachedAs)).toEqual([
    ['vale0:v0'],
    [],
    [],
  ]);
});

test('a host that serves no applications has none, and says what would be right', async () => {
  const { vale, client } = await scene(VMS);
  expect(await client.persistentPorts()).toEqual([]);
  expect((await vale('-n', 'v0')).err).toBe(
    "ptnet: no applications are served here, and no persistent ports: 'applications: {}' in the file would be right\n",
  );
  expect((await vale('-a', 'vale0:nope7')).err).toContain('nope7');
});
