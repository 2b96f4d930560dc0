// How long packets may be on their way into overlays: the arithmetic of each kind, stacked ones, and who is told.
import { expect, test } from 'vitest';
import { overheadOf, overlayProblem } from '../../../../backend/ports/overlay-mtu.ts';
import type { OverlayLink } from '../../../../native/interfaces.ts';

test.each([
  ['vxlan', false, 50],
  ['vxlan', true, 70],
  ['geneve', false, 50],
  ['geneve', true, 70],
  ['gretap', false, 38],
  ['ip6gretap', true, 58],
  ['vlan', false, 0],
  ['bridge', false, 0],
])('%s (IPv6: %s) takes %s bytes', (kind, ipv6, bytes) => {
  expect(overheadOf({ kind, ipv6 })).toBe(bytes);
});

test('a tag costs nothing on a wire and four bytes in a tunnel', () => {
  expect(overheadOf({ kind: 'vlan', ipv6: false }, '')).toBe(0);
  expect(overheadOf({ kind: 'vlan', ipv6: false }, 'vxlan')).toBe(4);
});

const link = (index: number, name: string, keys: Partial<OverlayLink>): OverlayLink => ({
  index,
  name,
  mtu: 1500,
  master: 0,
  kind: '',
  lower: 0,
  ipv6: false,
  ...keys,
});
const eth0 = link(1, 'eth0', {});
const br0 = link(2, 'br0', { kind: 'bridge' });
const tap = (mtu: number) => link(3, 'lan', { kind: 'tun', master: 2, mtu });
const tunnel = (kind: string, keys: Partial<OverlayLink> = {}) =>
  link(4, `${kind}0`, { kind, master: 2, lower: 1, ...keys });

test.each([
  ['vxlan', { mtu: 1450 }, 1450, "'vxlan0' has mtu 1450"],
  // As `ip link add` makes one without a device.
  ['vxlan', {}, 1450, "'eth0' has mtu 1500, and vxlan takes 50"],
  ['vxlan', { ipv6: true }, 1430, "'eth0' has mtu 1500, and vxlan takes 70"],
  ['geneve', {}, 1450, "'eth0' has mtu 1500, and geneve takes 50"],
  ['gretap', {}, 1462, "'eth0' has mtu 1500, and gretap takes 38"],
] as const)('a tap beside %s %j', (kind, keys, most, why) => {
  const overlay = tunnel(kind, keys);
  expect(overlayProblem([eth0, br0, tap(1500), overlay], 3)).toBe(
    `has an mtu of 1500, and what goes by '${overlay.name}' of its bridge 'br0' may have ${most} bytes at most (${why}): an mtu of ${most}, for it and for the guests that send there, would be right`,
  );
  expect(overlayProblem([eth0, br0, tap(most + 1), overlay], 3)).toBeDefined();
  expect(overlayProblem([eth0, br0, tap(most), overlay], 3)).toBeUndefined();
  expect(overlayProblem([{ ...eth0, mtu: 9000 }, br0, tap(most), overlay], 3)).toBeUndefined();
});

test('a tunnel by itself, over a VLAN of a tunnel', () => {
  const links = [
    eth0,
    link(4, 'vxlan0', { kind: 'vxlan', lower: 1, mtu: 1450 }),
    link(5, 'vxlan0.7', { kind: 'vlan', lower: 4, mtu: 1450 }),
    link(6, 'geneve0', { kind: 'geneve', lower: 5, mtu: 1500 }),
  ];
  expect(overlayProblem(links, 6)).toBe(
    "has an mtu of 1500, and packets may have 1396 bytes at most ('vxlan0' has mtu 1450, and vlan takes 4, and geneve takes 50): an mtu of 1396, for it and for the guests that send there, would be right",
  );
});

test('a VLAN of a device, a bridge without overlays and one of which nothing is known are no problem', () => {
  const vlan = link(4, 'eth0.7', { kind: 'vlan', master: 2, lower: 1 });
  expect(overlayProblem([eth0, br0, tap(1500), vlan], 3)).toBeUndefined();
  expect(overlayProblem([{ ...eth0, master: 2 }, br0, tap(9000)], 3)).toBeUndefined();
  expect(overlayProblem([br0, tap(1450), tunnel('vxlan', { mtu: 1450, lower: 99 })], 3)).toBeUndefined();
  expect(overlayProblem([eth0], 7)).toBeUndefined();
});

test('links that carry each other end nothing but the search', () => {
  const a = link(1, 'a', { kind: 'vxlan', lower: 2, master: 9 });
  const b = link(2, 'b', { kind: 'vxlan', lower: 1 });
  expect(overlayProblem([a, b, link(9, 'br0', { kind: 'bridge' })], 1)).toMatch(/^has an mtu of 1500/);
});
