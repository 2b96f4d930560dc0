// Interfaces as another process tells of them: what is not so is refused, and those that are opened anew are only of a process that has died.
import { expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { InterfacesSchema, takeInterfaces } from '../../../../backend/upgrade/interfaces.ts';

const CONFIG = parseConfig(
  `
switches: { vale0: { members: ['netmap:m'] } }
ports: { 'netmap:m': { tx-rings: 2, rx-rings: 2 } }
vms: { vm1: { devices: [{ port: 'netmap:p' }] } }
`,
  'host.yaml',
);
const losses = { ringFull: 1, tooLarge: 2, refused: 3 };
const port = { name: 'netmap:p', kind: 'left', index: 4, mtuBefore: 1500, losses, counters: [] };
const member = { name: 'netmap:m', kind: 'left', index: 5, mtuBefore: 0, losses, counters: [3, 4, 5, 6] };

const noFds = (): never => {
  throw new Error('a descriptor');
};
const take = (given: unknown, died = true) =>
  takeInterfaces(InterfacesSchema.parse(given), CONFIG, noFds, died);

test('of a process that has died they are taken without descriptors', () => {
  const taken = take([port, member]);
  expect(taken.get('netmap:p')).toMatchObject({ kind: 'left', index: 4, mtuBefore: 1500, losses });
  expect(taken.get('netmap:m')).toMatchObject({ counters: [3, 4, 5, 6] });
});

test('a process that lives has them open', () => {
  expect(() => take([port, member], false)).toThrow('netmap:p: its interface is to be opened anew');
});

test.each([
  [[port], 'netmap:m: its interface has not come along'],
  [[port, port, member], 'netmap:p: its configuration has no such interface, or it came twice'],
  [[{ ...port, name: 'netmap:q' }, member], 'netmap:q: its configuration has no such interface'],
  [[{ ...port, counters: [1, 2] }, member], 'netmap:p: its counters are those of another kind'],
  [[port, { ...member, counters: [3, 4] }], 'netmap:m: its counters are those of another kind'],
])('what does not fit the configuration is refused: %#', (given, why) => {
  expect(() => take(given)).toThrow(why);
});

const link = { index: 4, name: 'p', mtu: 1500, up: true, carrier: true, rxQueues: 1, master: 0, peer: 0 };
const socket = { fd: 1, largeFd: 2, slots: 512, released: 0, sent: 0, put: 0, large: '', losses };
const packet = {
  ...{ name: 'netmap:p', kind: 'packet', news: 0, link, counters: [], sockets: [socket], links: 3 },
  ...{ lro: false, served: true, mtuBefore: 0, lostBefore: losses },
};

test('sockets of a process that has died are not gone on with', () => {
  expect(() => take([packet, member])).toThrow('netmap:p: its interface is not to be opened anew');
});

test.each([
  ['no number', { ...port, index: 0 }],
  ['a number that none has', { ...port, index: 2 ** 31 }],
  ['an mtu that none has', { ...port, mtuBefore: -1 }],
  ['losses that are none', { ...port, losses: { ...losses, refused: 0.5 } }],
  ['more than there is', { ...port, news: 0 }],
  ['less', { ...port, losses: undefined }],
  ['another kind', { ...port, kind: 'xdp' }],
])('%s is no telling', (_what, given) => {
  expect(InterfacesSchema.safeParse([given]).success).toBe(false);
});
