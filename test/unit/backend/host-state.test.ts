// What a host says of itself when a part of it is gone: a change failed, and could not be taken back.
import { expect, test } from 'vitest';
import { parseConfig } from '../../../backend/config/load.ts';
import type { DeviceTable, PlacedDevice } from '../../../backend/devices.ts';
import { hostState } from '../../../backend/host-state.ts';
import type { HostStats } from '../../../backend/host-stats.ts';
import type { PortTable } from '../../../backend/ports/table.ts';

test('a device that is gone is not among the others, and its VM not connected', () => {
  const config = parseConfig("vms: { vm1: { devices: [{ port: 'null:a' }] } }", 'test.yaml');
  const mem = { name: 'mem', exported: { path: '/run/vm1/mem.sock', session: {}, counters: {} } };
  const devices = {
    get: (_vm: string, name: string) => (name === 'mem' ? (mem as unknown as PlacedDevice) : undefined),
  };
  const ports = {
    ports: new Map(),
    members: [],
    switches: new Map(),
    regions: new Map(),
  };
  const stats = { ports: [], members: [], workers: [] };
  const { vms } = hostState(
    { config, devices: devices as unknown as DeviceTable, ports: ports as unknown as PortTable },
    stats as unknown as HostStats,
  );
  expect(vms).toMatchObject([{ name: 'vm1', connected: false, devices: [{ name: 'mem', connected: true }] }]);
});
