// Linux guests with the driver, their interfaces by name and address, and what all of these tests ask at the end.
import { expect } from 'vitest';
import { driverEntries, MODULE_PATH } from '../../harness/linux-driver.ts';
import { CHECKS, LinuxVm, type LinuxVmOptions } from '../../harness/linux-vm.ts';
import { Netns } from '../../harness/netns.ts';
import type { Place } from '../../harness/place.ts';
import { checksumErrors } from '../../harness/transfer.ts';

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

/** A namespace in which taps have IPv6, which it has not otherwise. */
export async function hostNetns(): Promise<Netns> {
  return await Netns.open('echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6');
}

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

/** What one test file's guests and namespaces leave behind, ended at its end. */
export class Guests {
  readonly #vms: LinuxVm[] = [];
  readonly #namespaces: Netns[] = [];

  async netns(): Promise<Netns> {
    const opened = await hostNetns();
    this.#namespaces.push(opened);
    return opened;
  }

  /** A guest with the driver's module in it, not loaded, and a kernel that checks what it can. */
  async boot(options: LinuxVmOptions): Promise<LinuxVm> {
    const { append = '', files = [] } = options;
    const vm = await LinuxVm.start({
      smp: 2,
      ...options,
      files: [...(await driverEntries(options.release)), ...files],
      append: `${CHECKS} ${append}`,
    });
    this.#vms.push(vm);
    await vm.ready();
    return vm;
  }

  keepLogs(): void {
    for (const { vm } of this.#vms) vm.keepLogs();
  }

  async close(): Promise<void> {
    await Promise.all(this.#vms.splice(0).map((vm) => vm.stop()));
    await Promise.all(this.#namespaces.splice(0).map((netns) => netns.close()));
  }
}

/** No place has seen a wrong checksum, and no guest's kernel has complained. */
export async function expectWell(guests: readonly LinuxVm[], places: readonly Place[]): Promise<void> {
  for (const vm of guests) vm.expectWell();
  for (const place of places) expect(await checksumErrors(place), place.name).toBe(0);
}
