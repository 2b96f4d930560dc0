// VMs that run, as the kernel tells of them: who is attached, with what, and what is missing.
import { expect, test } from 'vitest';
import { lookAtAttached, type Seen } from '../../../../../backend/check/attached/attached.ts';
import {
  mappedRegions,
  readCommands,
  readConnected,
  runningVms,
} from '../../../../../backend/check/attached/running.ts';
import { parseConfig } from '../../../../../backend/config/load.ts';
import { attachedVms } from '../../../../../backend/hypervisor/attach.ts';
import { qemuArguments } from '../../../../../backend/hypervisor/qemu.ts';

const config = parseConfig("run-dir: /run/x\nvms: { vm1: { devices: [{ port: 'null:a' }] } }", 'test.yaml');
const MEM = '/run/x/vm1/mem.sock';
const NET = '/run/x/vm1/net0.sock';
const qemu = { pid: 77, program: 'qemu-system-x86_64', command: [] };

const WELL: Seen = {
  listening: new Set([MEM, NET]),
  connected: new Map([
    [MEM, 1],
    [NET, 1],
  ]),
  running: new Map([['vm1', qemu]]),
  mapped: () => new Set([2]),
};

const look = (but: Partial<Seen> = {}) =>
  lookAtAttached(config, { ...WELL, ...but }).map(({ id, status, evidence }) => [id, status, evidence]);

test('a VM that is attached as it should be', () => {
  expect(look()).toEqual([
    ['attached-host', 'pass', "it listens on 2 sockets below '/run/x'"],
    ['attached-vm', 'pass', 'qemu-system-x86_64, process 77, is connected to 2 sockets'],
    ['attached-memory', 'pass', expect.stringContaining('has region 2 mapped')],
  ]);
});

const WRONG: readonly (readonly [string, Partial<Seen>, readonly unknown[]])[] = [
  ['no host', { listening: new Set<string>() }, ['attached-host', 'fail', "nobody listens below '/run/x'"]],
  [
    'a host of another file',
    { listening: new Set([MEM]) },
    ['attached-host', 'fail', `nobody listens on ${NET}`],
  ],
  ['no VM', { connected: new Map() }, ['attached-vm', 'warn', 'it is not attached']],
  [
    'a VM without its memory device',
    { connected: new Map([[NET, 1]]) },
    ['attached-vm', 'fail', 'it is attached without mem'],
  ],
  [
    'a VM in another container',
    { running: new Map() },
    ['attached-vm', 'warn', expect.stringContaining('no process of a hypervisor is seen')],
  ],
  [
    'a VM of somebody else',
    { mapped: () => undefined },
    ['attached-memory', 'warn', 'this user may not look at the mappings of process 77'],
  ],
  [
    'a VM with the memory of a host that has ended',
    { mapped: () => new Set([9]) },
    ['attached-memory', 'fail', 'process 77 has not mapped region 2'],
  ],
];

test.each(WRONG)('%s', (_, but, finding) => {
  expect(look(but)).toContainEqual(finding);
});

test('a process is known by the socket in its command, behind a loader too', () => {
  const args = qemuArguments(attachedVms(config)[0]!);
  const commands = new Map([
    [5, ['vim', MEM]],
    [6, ['/cache/ld-linux-x86-64.so.2', '--library-path', '/x', '/cache/qemu-system-x86_64', ...args]],
    [7, ['qemu-system-x86_64', '-name', 'another']],
  ]);
  expect([...runningVms(config, commands)]).toMatchObject([
    ['vm1', { pid: 6, program: 'qemu-system-x86_64' }],
  ]);
});

test('the commands of this machine have this process', () => {
  expect(readCommands().get(process.pid)?.join(' ')).toContain('node');
});

test('regions by their memfds, and a process that cannot be looked at', () => {
  const maps =
    '7f0-7f1 rw-s 00000000 00:01 12 /memfd:ptnetmap-region-2 (deleted)\n7f2-7f3 rw-p 0 0 0 [heap]\n';
  expect(mappedRegions(1, () => maps)).toEqual(new Set([2]));
  const refuse = () => {
    throw new Error('EACCES');
  };
  expect(mappedRegions(1, refuse)).toBeUndefined();
});

test('connected sockets: not those that only listen', () => {
  const text = `Num       RefCount Protocol Flags    Type St Inode Path
0: 00000002 00000000 00010000 0001 01 12345 ${MEM}
0: 00000003 00000000 00000000 0001 03 12346 ${MEM}
0: 00000003 00000000 00000000 0001 03 12347 ${NET}
0: 00000003 00000000 00000000 0001 03 12348`;
  expect([...readConnected(text)]).toEqual([
    [MEM, 1],
    [NET, 1],
  ]);
});
