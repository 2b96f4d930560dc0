// What is measured of network drivers in Linux guests, as data: ours beside virtio-net on taps, in the same VMs.

export type NetDriver = 'ptnet' | 'virtio-net';
export type NetPath = 'guest-to-host' | 'host-to-guest' | 'guest-to-guest';
/** `tcp`: one stream with every offload; `udp`: datagrams that make packets of 60 bytes; `ping`: round trips, one at a time. */
export type NetKind = 'tcp' | 'udp' | 'ping';

export interface NetKey {
  readonly driver: NetDriver;
  readonly path: NetPath;
  readonly kind: NetKind;
}

const DRIVERS: readonly NetDriver[] = ['ptnet', 'virtio-net'];
const PATHS: readonly NetPath[] = ['guest-to-host', 'host-to-guest', 'guest-to-guest'];

export const NETS: readonly NetKey[] = PATHS.flatMap((path) =>
  (['tcp', 'udp', 'ping'] as const)
    // A ping goes both ways, whoever begins.
    .filter((kind) => kind !== 'ping' || path !== 'host-to-guest')
    .flatMap((kind) => DRIVERS.map((driver) => ({ driver, path, kind }))),
);

export const netLabel = ({ driver, path, kind }: NetKey): string => `net ${driver} ${path} ${kind}`;
