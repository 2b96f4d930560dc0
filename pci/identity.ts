// The parts of a device's PCI identity that both devices share.

/** What the first emulation of these devices showed a guest: the subsystem ids that QEMU gives to its own devices. */
export const SUBSYSTEM = { subsystemVendorId: 0x1af4, subsystemId: 0x1100, revision: 0 } as const;
