// What bhyve can have: a virtio-net for each port of a VALE switch, and nothing for the others.
import { expect, test } from 'vitest';
import { bhyvePlan } from '../../../../backend/hypervisor/bhyve.ts';

test('slots for VALE ports, and the rest is named', () => {
  const ports = ['vale0:1', 'null:a', 'vale1:x'].map((port, i) => ({
    name: `net${i}`,
    socketPath: `/s${i}`,
    port,
    mac: `02:00:00:00:00:0${i}`,
  }));
  const devices = [{ name: 'mem', socketPath: '/m' }, ...ports];
  expect(bhyvePlan({ name: 'vm1', memory: '1G', machine: 'pc', devices })).toEqual({
    args: [
      '-s',
      '4:0,virtio-net,vale0:1,mac=02:00:00:00:00:00',
      '-s',
      '5:0,virtio-net,vale1:x,mac=02:00:00:00:00:02',
    ],
    left: [ports[1]],
  });
});
