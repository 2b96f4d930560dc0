/** Which of our scenarios each testpmd peer is compared with: those that do the like. */
import { expect, test } from 'vitest';
import { PEERS } from '../../../bench/peers/list.ts';
import { nameOf, PAIR_PATHS, SIZES } from '../../../bench/scenarios.ts';

const rows = [false, true].flatMap((vm) => PAIR_PATHS.map((path) => ({ path, vm })));
const comparedWith = (name: string) =>
  rows.filter((row) => PEERS.find((peer) => peer.name === name)!.comparesWith(row)).map(nameOf);

test.each(['testpmd', 'tap'])('%s in a VM is compared with our VM that sends the same way', (name) => {
  expect(comparedWith(`${name}-vm-to-host`)).toEqual(['vm guest-to-host']);
  expect(comparedWith(`${name}-host-to-vm`)).toEqual(['vm host-to-guest']);
});

test.each(['testpmd-vhost-user', 'testpmd-memif'])('%s is compared with driver models only', (name) => {
  expect(comparedWith(name)).toEqual([...PAIR_PATHS]);
});

test('packets of more than one buffer are left out', () => {
  for (const peer of PEERS) expect(peer.sizes(SIZES)).toEqual([60, 256, 1024, 1514]);
});
