/** What real VMs are made of, as data: which Debian package of which suite, and which of its files are wanted. */

export interface Artifact {
  /** Names the folder in the cache and appears in messages. */
  readonly name: string;
  readonly suite: string;
  readonly packages: readonly string[];
  /**
   * 'all': the packages and everything that they depend on, whatever the machine has installed.
   * 'meta': each package is empty and only names, as its first dependency, the one that is wanted.
   */
  readonly dependencies: 'all' | 'meta';
  /** Paths, relative to the root and with bin, sbin and lib in usr/, of the files that are kept. */
  readonly keep: readonly RegExp[];
}

/** The first release with the vfio-user-pci device. */
export const QEMU_VERSION_MIN = '10.1';

/** bookworm's QEMU and its backports' are too old; trixie-backports' packages run from a folder on any Debian. */
export const QEMU: Artifact = {
  name: 'qemu',
  suite: 'trixie-backports',
  packages: ['qemu-system-x86'],
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
  packages: ['linux-image-cloud-amd64'],
  dependencies: 'meta',
  keep: [
    /^boot\/(vmlinuz|config)-/,
    // With these a program of a guest drives a PCI device itself.
    /^usr\/lib\/modules\/[^/]+\/kernel\/drivers\/uio\/uio(_pci_generic)?\.ko(\.xz)?$/,
  ],
};

/** A shell and the commands that go with it, for guests that are more than one static program. */
export const BUSYBOX: Artifact = {
  name: 'busybox',
  suite: 'trixie',
  packages: ['busybox-static'],
  dependencies: 'all',
  keep: [/^usr\/bin\/busybox$/],
};

/** Shared libraries but for the sanitizers', which are large. */
const LIBRARIES = /^usr\/lib(64|\/x86_64-linux-gnu)\/(?!lib(a|l|t|ub|hwa)san)[^/]+\.so[^/]*$/;

/**
 * A kernel that a driver is built for and run on: its image, modules and headers, which have to be of one release, and what builds a
 * module for it, as a tree to chroot into.
 */
const linux = (suite: string): Artifact => ({
  name: `linux-${suite}`,
  suite,
  packages: [
    'linux-image-cloud-amd64',
    'linux-headers-cloud-amd64',
    ...[
      'make',
      'dash',
      'coreutils',
      'sed',
      'grep',
      'mawk',
      'findutils',
      'diffutils',
      'xz-utils',
      'kmod',
      'sparse',
    ],
  ],
  dependencies: 'all',
  keep: [
    /^boot\/(vmlinuz|config)-/,
    /^usr\/lib\/modules\//,
    // Headers of one architecture, which are some thousand files less.
    /^usr\/src\/linux-(?![^/]+\/arch\/(?!x86\/))/,
    /^usr\/lib\/linux-/,
    /^usr\/s?bin\/(?!systemd|udev|perl|busybox)[^/]+$/,
    /^usr\/lib(exec)?\/gcc\/[^/]+\/[^/]+\/(cc1|collect2|lto-wrapper|liblto_plugin\.so|include\/.*)$/,
    LIBRARIES,
  ],
});

/** By the suite, from the oldest to the newest: 6.1, 6.12 and whatever backports have. */
export const LINUX_KERNELS = {
  bookworm: linux('bookworm'),
  trixie: linux('trixie'),
  'trixie-backports': linux('trixie-backports'),
} as const;

/** What a guest with a network driver is tried with; the host's ends of the same tests are run from it too. */
export const USERLAND: Artifact = {
  name: 'userland',
  suite: 'trixie',
  packages: [
    ...[
      'busybox-static',
      'dash',
      'iperf3',
      'iproute2',
      'iputils-ping',
      'ethtool',
      'kmod',
      'kexec-tools',
      'socat',
      'tcpdump',
    ],
  ],
  dependencies: 'all',
  keep: [
    /^usr\/s?bin\/(busybox|dash|iperf3|ip|ss|tc|bridge|ping|ethtool|kmod|depmod|insmod|lsmod|modinfo|modprobe|rmmod|kexec|socat1?|tcpdump)$/,
    LIBRARIES,
  ],
};

/** A service manager with what its units call, and what Node's program is linked with: as a tree, not installed. */
export const SYSTEMD: Artifact = {
  name: 'systemd',
  suite: 'trixie',
  packages: ['systemd', 'base-files', 'coreutils', 'dash', 'grep', 'libstdc++6', 'sed'],
  dependencies: 'all',
  keep: [/^usr\/s?bin\//, /^usr\/lib(64)?\//, /^etc\//],
};

/** What every Debian has, for it is marked so there (`Essential: yes`), in both suites. */
const ESSENTIAL = [
  ...['base-files', 'base-passwd', 'bash', 'bsdutils', 'coreutils', 'dash', 'debianutils', 'diffutils'],
  ...['dpkg', 'findutils', 'grep', 'gzip', 'hostname', 'init-system-helpers', 'libc-bin', 'ncurses-base'],
  ...['ncurses-bin', 'perl-base', 'sed', 'sysvinit-utils', 'tar', 'util-linux'],
];

/** A small Debian with what the README asks for, to install the package in: as a tree, no script of a package has been run. */
const root = (suite: string, node: readonly string[]): Artifact => ({
  name: `root-${suite}`,
  suite,
  packages: [...ESSENTIAL, 'mawk', 'man-db', 'g++', 'make', 'python3', ...node],
  dependencies: 'all',
  keep: [
    /^usr\/s?bin\//,
    /^usr\/include\//,
    /^usr\/lib(64|exec)?\/(?!.*\/lib(a|l|t|ub|hwa)san)/,
    /^usr\/share\/(?!doc|info|locale|man\/)/,
    /^etc\//,
  ],
});

/** By the suite. trixie has a Node that is recent enough, and npm; bookworm's is too old. */
export const ROOTS = {
  bookworm: root('bookworm', []),
  trixie: root('trixie', ['nodejs', 'npm']),
} as const;
