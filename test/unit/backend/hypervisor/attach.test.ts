// VMs and devices of a configuration as hypervisors are told about them.
import { expect, test } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { attachedVms } from '../../../../backend/hypervisor/attach.ts';

test('the memory device first, then the others in the order of the file', () => {
  const config = parseConfig(
    `run-dir: /run/x
vms: { b: { machine: q35, memory: 1g, devices: [{ name: z, port: 'vale0:1' }, { port: 'null:a' }] } }`,
    'f',
  );
  expect(attachedVms(config)).toEqual([
    {
      name: 'b',
      memory: '1G',
      machine: 'q35',
      devices: [
        { name: 'mem', socketPath: '/run/x/b/mem.sock' },
        { name: 'z', socketPath: '/run/x/b/z.sock', port: 'vale0:1', mac: '02:00:00:00:01:00' },
        { name: 'net1', socketPath: '/run/x/b/net1.sock', port: 'null:a', mac: '02:00:00:00:01:01' },
      ],
    },
  ]);
});
