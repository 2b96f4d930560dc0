/** Which files of the Debian packages are kept, by the paths that the packages have had. */
import { expect, test } from 'vitest';
import { type Artifact, BUSYBOX, KERNEL } from '../../../vm-images/artifacts.ts';

const DRIVERS = 'usr/lib/modules/6.12.1+deb13-cloud-amd64/kernel/drivers';

const ARTIFACTS: Readonly<Record<string, Artifact>> = { KERNEL, BUSYBOX };

test.each<[string, string, boolean]>([
  ['KERNEL', 'boot/vmlinuz-6.12.1+deb13-cloud-amd64', true],
  ['KERNEL', 'boot/System.map-6.12.1+deb13-cloud-amd64', false],
  ['KERNEL', `${DRIVERS}/uio/uio.ko.xz`, true],
  ['KERNEL', `${DRIVERS}/uio/uio_pci_generic.ko.xz`, true],
  ['KERNEL', `${DRIVERS}/uio/uio.ko`, true],
  ['KERNEL', `${DRIVERS}/uio/uio_hv_generic.ko.xz`, false],
  ['KERNEL', `${DRIVERS}/net/virtio_net.ko.xz`, false],
  ['BUSYBOX', 'usr/bin/busybox', true],

  ['BUSYBOX', 'usr/share/doc/busybox-static/copyright', false],
])('of %s, %s is kept: %s', (name, path, kept) => {
  expect(ARTIFACTS[name]!.keep.some((pattern) => pattern.test(path))).toBe(kept);
});
