// Mistakes with pipes and monitors: what one device's port has to do with another's.
import { describe, expect, test } from 'vitest';
import { devices, messageOf, vms } from './messages.ts';

describe('pipes', () => {
  test.each([
    [
      vms([devices('p{1')]),
      "f: vms.vm1.devices[0].port: 'p{1' has no other end: a device with port 'p}1' would be right",
    ],
    [
      vms([devices('p{1'), devices('p}1')]),
      "f: vms.vm2.devices[0].port: vm2 has 'p}1' in its private region and vm1 has 'p{1' in its private region: 'region: lan' for both would be right",
    ],
    [
      vms([`region: x, ${devices('p{1')}`, devices('p}1')], 'regions: { x: }'),
      "f: vms.vm2.devices[0].port: vm2 has 'p}1' in its private region and vm1 has 'p{1' in region 'x': 'region: x' for both would be right",
    ],
    [
      vms([devices('p{1', 'p}1')], "ports: { 'p{1': { tx-slots: 8 } }"),
      "f: ports.'p{1'.tx-slots: 8 tx slots of 'p{1' meet 1024 rx slots of 'p}1': the same number would be right",
    ],
    [
      vms([devices('p{1', 'p}1')], "ports: { 'p}1': { tx-rings: 2 } }"),
      "f: ports.'p}1'.tx-rings: 2 tx rings of 'p}1' meet 1 rx rings of 'p{1': the same number would be right",
    ],
    [
      vms([devices('vale0:1{3', 'vale0:1}3')]),
      "f: vms.vm1.devices[0].port: 'vale0:1{3' is a pipe of 'vale0:1', and no device has that: a device with port 'vale0:1', or 'p{3' for a pipe by itself, would be right",
    ],
    [
      vms([devices('netmap:p{1', 'netmap:p}1')]),
      "f: vms.vm1.devices[0].port: 'netmap:p{1' is a pipe of 'netmap:p', and no device has that: a device with port 'netmap:p', or 'p{1' for a pipe by itself, would be right",
    ],
    [
      vms([devices('vale0:1'), devices('vale0:1{3', 'vale0:1}3')]),
      "f: vms.vm2.devices[0].port: vm2 has 'vale0:1{3' in its private region and vm1 has 'vale0:1' in its private region: 'region: lan' for both would be right",
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text)).toBe(message);
  });
});

describe('monitors', () => {
  test.each([
    [
      vms([devices('vale0:1/r')]),
      "f: vms.vm1.devices[0].port: 'vale0:1/r' is a monitor of 'vale0:1', and there is no such port: a device with port 'vale0:1' would be right",
    ],
    [
      vms([devices('vale0:1', 'vale0:1/rt')], "ports: { 'vale0:1/rt': { vnet-hdr: true } }"),
      "f: ports.'vale0:1/rt'.vnet-hdr: 'vale0:1/rt' shows frames, without a virtio-net header: 'false' would be right",
    ],
    [
      vms([devices('vale0:1'), devices('vale0:1/z')]),
      "f: vms.vm2.devices[0].port: vm2 has 'vale0:1/z' in its private region and vm1 has 'vale0:1' in its private region: 'region: lan' for both would be right",
    ],
    [
      vms([devices('vale0:1', 'vale0:1/t'), devices('vale0:1/t')]),
      "f: vms.vm2.devices[0].port: 'vale0:1/t' belongs to vm1's net1 already: a port of its own would be right",
    ],
    [
      vms([devices('vale0:1')], "switches: { vale0: { members: ['vale0:1/t'] } }"),
      "f: switches.vale0.members[0]: 'vale0:1/t' cannot stand on a switch by itself: 'tap:lan' would be right",
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text)).toBe(message);
  });
});
