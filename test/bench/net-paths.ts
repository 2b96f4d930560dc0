// What is measured of network drivers in Linux guests, as data: ours beside virtio-net on taps and over vhost-user, in the same VMs.

/** `virtio-net` is on a tap of QEMU's; the device of `virtio-net-vhost-user` is a testpmd. */
export type NetDriver = 'ptnet' | 'virtio-net' | 'virtio-net-vhost-user';
export type NetPath = 'guest-to-host' | 'host-to-guest' | 'guest-to-guest';
/**
 * `tcp`: one stream with every offload; `tcp-big`: the same with segments as long as the driver takes them (BIG TCP), which virtio-net has not;
 * `udp`: datagrams that make packets of 60 bytes; `ping`: round trips, one at a time.
 */
export type NetKind = 'tcp' | 'tcp-big' | 'udp' | 'ping';

export interface NetKey {
  readonly driver: NetDriver;
  readonly path: NetPath;
  readonly kind: NetKind;
}

const DRIVERS: readonly NetDriver[] = ['ptnet', 'virtio-net', 'virtio-net-vhost-user'];
const PATHS: readonly NetPath[] = ['guest-to-host', 'host-to-guest', 'guest-to-guest'];

export const NETS: readonly NetKey[] = PATHS.flatMap((path) =>
  (['tcp', 'tcp-big', 'udp', 'ping'] as const)
    // A ping goes both ways, whoever begins; how long the host's segments are is nothing of the driver's.
    .filter((kind) => path !== 'host-to-guest' || (kind !== 'ping' && kind !== 'tcp-big'))
    .flatMap((kind) =>
      (kind === 'tcp-big' ? (['ptnet'] as const) : DRIVERS).map((driver) => ({ driver, path, kind })),
    ),
);

/** What a driver's figure is compared with: virtio-net at its best. */
export const virtioOf = (net: Omit<NetKey, 'driver'>): NetKey => ({
  path: net.path,
  kind: net.kind === 'tcp-big' ? 'tcp' : net.kind,
  driver: 'virtio-net',
});

export const netLabel = ({ driver, path, kind }: NetKey): string => `net ${driver} ${path} ${kind}`;
