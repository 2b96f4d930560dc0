/** Which files of the Debian packages are kept, by the paths that the packages have had. */
import { expect, test } from 'vitest';
import {
  type Artifact,
  BUSYBOX,
  KERNEL,
  LINUX_KERNELS,
  ROOTS,
  SYSTEMD,
  USERLAND,
} from '../../../vm-images/artifacts.ts';

const DRIVERS = 'usr/lib/modules/6.12.1+deb13-cloud-amd64/kernel/drivers';

const ARTIFACTS: Readonly<Record<string, Artifact>> = {
  KERNEL,
  BUSYBOX,
  USERLAND,
  LINUX: LINUX_KERNELS.bookworm,
  SYSTEMD,
  ROOT: ROOTS.trixie,
};

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
  ['LINUX', 'boot/vmlinuz-6.1.0-50-cloud-amd64', true],
  ['LINUX', 'boot/System.map-6.1.0-50-cloud-amd64', false],
  ['LINUX', 'usr/lib/modules/7.3.4+deb13-cloud-amd64/vmlinuz', true],
  ['LINUX', `${DRIVERS}/net/virtio_net.ko.xz`, true],
  ['LINUX', 'usr/src/linux-headers-6.1.0-50-cloud-amd64/Module.symvers', true],
  ['LINUX', 'usr/src/linux-headers-6.1.0-50-common/include/linux/netdevice.h', true],
  ['LINUX', 'usr/src/linux-headers-6.1.0-50-common/arch/x86/Makefile', true],
  ['LINUX', 'usr/src/linux-headers-6.1.0-50-common/arch/arm64/Makefile', false],
  ['LINUX', 'usr/lib/linux-kbuild-6.1/scripts/mod/modpost', true],
  ['LINUX', 'usr/bin/x86_64-linux-gnu-gcc-12', true],
  ['LINUX', 'usr/lib/gcc/x86_64-linux-gnu/12/cc1', true],
  ['LINUX', 'usr/libexec/gcc/x86_64-linux-gnu/14/cc1', true],
  ['LINUX', 'usr/lib/gcc/x86_64-linux-gnu/12/lto1', false],
  ['LINUX', 'usr/lib/x86_64-linux-gnu/libisl.so.23.2.0', true],
  ['LINUX', 'usr/lib/x86_64-linux-gnu/libasan.so.8.0.0', false],
  ['LINUX', 'usr/bin/systemd-tmpfiles', false],
  ['USERLAND', 'usr/sbin/ethtool', true],
  ['USERLAND', 'usr/bin/socat1', true],
  ['USERLAND', 'usr/lib64/ld-linux-x86-64.so.2', true],
  ['USERLAND', 'usr/lib/x86_64-linux-gnu/libiperf.so.0', true],
  ['USERLAND', 'usr/bin/perl', false],
  ['SYSTEMD', 'usr/lib/systemd/systemd', true],
  ['SYSTEMD', 'usr/lib/sysusers.d/basic.conf', true],
  ['SYSTEMD', 'usr/lib64/ld-linux-x86-64.so.2', true],
  ['SYSTEMD', 'etc/systemd/system.conf', true],
  ['SYSTEMD', 'usr/share/doc/systemd/copyright', false],
  ['ROOT', 'usr/libexec/gcc/x86_64-linux-gnu/14/cc1plus', true],
  ['ROOT', 'usr/include/c++/14/vector', true],
  ['ROOT', 'usr/share/nodejs/npm/package.json', true],
  ['ROOT', 'usr/share/man-db/chconfig', true],
  ['ROOT', 'usr/share/man/man1/gcc-14.1.gz', false],
  ['ROOT', 'usr/share/doc/gcc-14/copyright', false],
  ['ROOT', 'usr/lib/gcc/x86_64-linux-gnu/14/libtsan.a', false],
  ['ROOT', 'usr/lib/gcc/x86_64-linux-gnu/14/libstdc++.a', true],
])('of %s, %s is kept: %s', (name, path, kept) => {
  expect(ARTIFACTS[name]!.keep.some((pattern) => pattern.test(path))).toBe(kept);
});
