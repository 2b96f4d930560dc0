// QEMU commands as people write them: quotes, JSON and property lists, and what QEMU makes of them.
import { expect, test } from 'vitest';
import {
  memoryIds,
  parseProperties,
  parseQemuCommand,
  parseQemuSize,
  shellWords,
} from '../../../../backend/check/qemu-command.ts';

test.each([
  ['a b  c', ['a', 'b', 'c']],
  ['a \\\n  b', ['a', 'b']],
  [`'a b' "c d" e\\ f`, ['a b', 'c d', 'e f']],
  [`-device '{"driver":"x"}'`, ['-device', '{"driver":"x"}']],
  [`"say \\"hi\\" \\$x"`, ['say "hi" $x']],
  ['# all of it\na # the rest\nb', ['a', 'b']],
  ['a#b', ['a#b']],
  [`'a''b'"c"d`, ['abcd']],
  ['', []],
])('%j is the words %j', (text, words) => expect(shellWords(text)).toEqual(words));

test.each([
  ['512M', 'b', 512 * 2 ** 20],
  ['512', '', 512 * 2 ** 20],
  ['512', 'b', 512],
  ['1.5G', 'b', 1.5 * 2 ** 30],
  ['x', 'b', undefined],
  ['', '', undefined],
] as const)('size %j, alone %j', (text, alone, bytes) => expect(parseQemuSize(text, alone)).toBe(bytes));

test('properties: an implied key, doubled commas, keys alone, JSON with members of members', () => {
  expect([...parseProperties('pc,accel=kvm,a=x,,y,on', 'type')]).toEqual([
    ['type', 'pc'],
    ['accel', 'kvm'],
    ['a', 'x,y'],
    ['on', 'on'],
  ]);
  const json = parseProperties('{"driver":"d","socket":{"path":"/a,b"},"rombar":0,"share":true}', 'driver');
  expect(Object.fromEntries(json)).toEqual({ driver: 'd', 'socket.path': '/a,b', rombar: '0', share: 'on' });
  expect(parseProperties('{"driver":', 'driver').get('driver')).toBeUndefined();
});

test('a command: machine, memory, backends, nodes and devices', () => {
  const text = `exec qemu-system-x86_64 -M q35 -machine memory-backend=ram0 -cpu host -m size=2G,maxmem=4G \\
  -object memory-backend-memfd,id=ram0,size=2G,share=on -object rng-random,id=r \\
  -numa node,memdev=ram1 --device vfio-user-pci,socket.type=unix,socket.path=/s -device`;
  const command = parseQemuCommand(shellWords(text));
  expect(command).toMatchObject({ machine: 'q35', cpu: 'host', memory: 2 * 2 ** 30, nodes: ['ram1'] });
  expect([...command.backends.keys()]).toEqual(['ram0']);
  expect(memoryIds(command)).toEqual(['ram0']);
  expect(memoryIds({ ...command, machineProperties: new Map() })).toEqual(['ram1']);
  expect(command.devices).toMatchObject([{ driver: 'vfio-user-pci', socket: '/s' }, { driver: '' }]);
});
