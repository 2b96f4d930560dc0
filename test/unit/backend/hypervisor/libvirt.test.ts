// The libvirt domain: shared memory, QEMU's own arguments, and names that XML could take for its own.
import { expect, test } from 'vitest';
import type { AttachedVm } from '../../../../backend/hypervisor/attach.ts';
import { domainXml } from '../../../../backend/hypervisor/libvirt.ts';
import { vfioUserDevice } from '../../../../backend/hypervisor/qemu.ts';

const device = { name: 'net0', socketPath: "/run/a&b<c'd/net0.sock" };
const VM: AttachedVm = { name: 'vm1', memory: '1G', machine: 'q35', numaNode: 1, devices: [device] };

/** What an XML reader makes of an attribute. */
const read = (text: string): string =>
  text.replaceAll('&apos;', "'").replaceAll('&lt;', '<').replaceAll('&amp;', '&');

test('a domain with memory that QEMU passes on, on its node', () => {
  const xml = domainXml(VM);
  expect(xml).toContain("<memory unit='KiB'>1048576</memory>");
  expect(xml).toContain("<source type='memfd'/>\n    <access mode='shared'/>");
  expect(xml).toContain("<memory mode='strict' nodeset='1'/>");
  expect(xml).toContain("machine='q35'");
  // Without it libvirt 9.0 says -no-acpi, which QEMU 11 does not know, and no guest hears `virsh shutdown`.
  expect(xml).toContain('<features>\n    <acpi/>\n    <apic/>\n  </features>');
  const { numaNode: _, ...anywhere } = VM;
  expect(domainXml(anywhere)).not.toContain('numatune');
});

test("QEMU's arguments come through as they are on its own command line", () => {
  const values = [...domainXml(VM).matchAll(/<qemu:arg value='([^']*)'\/>/g)].map(([, value]) =>
    read(value!),
  );
  expect(values).toEqual(['-device', vfioUserDevice(device)]);
});
