/** Interfaces of Linux guests by name, MAC address and IP addresses, and how a guest gives them these. */
import { MODULE_PATH } from './linux-driver.ts';
import type { LinuxVm } from './linux-vm.ts';

/** An interface: the last octet of its MAC address says which; its addresses say on which link and which end it is. */
export interface End {
  readonly name: string;
  readonly link: number;
  readonly station: number;
}

/** Of the end with the lowest station of a link to the host, which is the tap itself. */
export const HOST = 1;

export const macOf = ({ link, station }: End): string =>
  `02:00:00:00:${[link, station].map((n) => n.toString(16).padStart(2, '0')).join(':')}`;
export const ipv4 = (link: number, station: number): string => `198.18.${link}.${station}`;
export const ipv6 = (link: number, station: number): string => `fd00:${link}::${station}`;

/** Both addresses of the host's end of a link, for a tap's `address` in a configuration. */
export const hostAddresses = (link: number): string => `[${ipv4(link, HOST)}/24, '${ipv6(link, HOST)}/64']`;

const setUpOf = (end: End): string => `set -e
device=$(grep -l '^${macOf(end)}$' /sys/class/net/*/address | cut -d / -f 5)
[ -n "$device" ] || { echo 'no interface ${end.name} with address ${macOf(end)}' >&2; exit 1; }
[ "$device" = ${end.name} ] || ip link set dev "$device" down
[ "$device" = ${end.name} ] || ip link set dev "$device" name ${end.name}
ip address replace ${ipv4(end.link, end.station)}/24 dev ${end.name}
ip link set dev ${end.name} up
ip address replace ${ipv6(end.link, end.station)}/64 dev ${end.name} nodad
`;

const carrierOf = ({ name }: End): string => `
n=0
until [ "$(cat /sys/class/net/${name}/carrier)" = 1 ]; do
  n=$((n + 1))
  [ $n -lt 300 ] || { echo '${name}: no carrier' >&2; exit 1; }
  sleep 0.1
done
`;

/** A script that gives each interface, which is there, its name and addresses, and waits for its carrier. */
export const setUpScript = (ends: readonly End[]): string =>
  [...ends.map(setUpOf), ...ends.map(carrierOf)].join('');

/** Loads the driver and sets its interfaces up. */
export async function setUp(vm: LinuxVm, ends: readonly End[]): Promise<void> {
  await vm.run(`insmod ${MODULE_PATH}\n${setUpScript(ends)}`);
}
