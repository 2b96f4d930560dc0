// Which peers stand beside which of our paths.
import { expect, test } from 'vitest';
import { PEERS } from '../../../bench/peers/list.ts';
import type { PathName } from '../../../bench/scenarios.ts';

const beside = (path: PathName, vm = false) =>
  PEERS.filter((peer) => peer.comparesWith({ path, vm })).map(({ name }) => name);

test('by the kernel as by the kernel, in memory as in memory', () => {
  expect(beside('guest-to-guest-pipe')).toEqual(['testpmd-vhost-user', 'testpmd-memif']);
  expect(beside('vale-vnet-hdr')).toEqual(['testpmd-vhost-user', 'testpmd-memif']);
  expect(beside('guest-to-guest-tap')).toEqual(['testpmd-net-tap', 'testpmd-af-packet']);
  expect(beside('guest-to-guest-af-packet')).toEqual(['testpmd-af-packet']);
  expect(beside('guest-to-guest-af-xdp')).toEqual(['testpmd-af-xdp']);
});
