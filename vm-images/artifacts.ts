/** What real VMs are made of, as data: which Debian package of which suite, and which of its files are wanted. */

export interface Artifact {
  /** Names the folder in the cache and appears in messages. */
  readonly name: string;
  readonly suite: string;
  readonly package: string;
  /**
   * 'all': the package and everything that it depends on, whatever the machine has installed.
   * 'meta': the package is empty and only names, as its first dependency, the one that is wanted.
   */
  readonly dependencies: 'all' | 'meta';
  /** Paths, relative to the root, of the files that are kept. */
  readonly keep: readonly RegExp[];
}

/** The first release with the vfio-user-pci device. */
export const QEMU_VERSION_MIN = '10.1';

/** bookworm's QEMU and its backports' are too old; trixie-backports' packages run from a folder on any Debian. */
export const QEMU: Artifact = {
  name: 'qemu',
  suite: 'trixie-backports',
  package: 'qemu-system-x86',
  dependencies: 'all',
  keep: [
    /^usr\/bin\/qemu-system-x86_64$/,
    /^usr\/lib\/x86_64-linux-gnu\/[^/]+\.so[^/]*$/,
    /^usr\/lib64\//,
    /^usr\/share\/qemu\/[^/]+\.(bin|rom)$/,
    /^usr\/share\/seabios\//,
  ],
};

/** The cloud flavour has the 8250 console, ACPI and the initramfs unpacker built in, and little to probe for at boot. */
export const KERNEL: Artifact = {
  name: 'kernel',
  suite: 'trixie',
  package: 'linux-image-cloud-amd64',
  dependencies: 'meta',
  keep: [
    /^boot\/(vmlinuz|config)-/,
    // With these a program of a guest drives a PCI device itself.
    /^(usr\/)?lib\/modules\/[^/]+\/kernel\/drivers\/uio\/uio(_pci_generic)?\.ko(\.xz)?$/,
  ],
};

/** A shell and the commands that go with it, for guests that are more than one static program. */
export const BUSYBOX: Artifact = {
  name: 'busybox',
  suite: 'trixie',
  package: 'busybox-static',
  dependencies: 'all',
  keep: [/^(usr\/)?bin\/busybox$/],
};
