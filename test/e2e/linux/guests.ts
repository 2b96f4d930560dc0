// Linux guests with the driver, their interfaces by name and address, and what all of these tests ask at the end.
import { expect } from 'vitest';
import { TestHost } from '../../harness/host.ts';
import { driverEntries } from '../../harness/linux-driver.ts';
import { CHECKS, LinuxVm, type LinuxVmOptions } from '../../harness/linux-vm.ts';
import { Netns } from '../../harness/netns.ts';
import type { Place } from '../../harness/place.ts';
import { checksumErrors } from '../../harness/transfer.ts';

/** A namespace in which taps have IPv6, which it has not otherwise. */
export async function hostNetns(): Promise<Netns> {
  return await Netns.open('echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6');
}

/** What one test file's guests, hosts and namespaces leave behind, ended at its end. */
export class Guests {
  readonly #vms: LinuxVm[] = [];
  readonly #hosts: TestHost[] = [];
  readonly #namespaces: Netns[] = [];

  async netns(): Promise<Netns> {
    const opened = await hostNetns();
    this.#namespaces.push(opened);
    return opened;
  }

  /** `yaml` without run-dir. */
  async host(yaml: string): Promise<TestHost> {
    const host = await TestHost.start(yaml);
    this.#hosts.push(host);
    return host;
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
    await Promise.all(this.#hosts.splice(0).map((host) => host.close()));
    await Promise.all(this.#namespaces.splice(0).map((netns) => netns.close()));
  }
}

/** No place has seen a wrong checksum, and no guest's kernel has complained. */
export async function expectWell(guests: readonly LinuxVm[], places: readonly Place[]): Promise<void> {
  for (const vm of guests) vm.expectWell();
  for (const place of places) expect(await checksumErrors(place), place.name).toBe(0);
}

/** Looks for a packet like that on an interface of a guest from now on. @returns what waits until there was one. @throws when there is none for a minute. */
export async function watchFor(
  place: Place,
  device: string,
  filter: string,
): Promise<() => Promise<unknown>> {
  await place.run(`rm -f /run/seen /run/watch
timeout 60 tcpdump -Z root -i ${device} -c 1 -w /dev/null ${filter} < /dev/null > /dev/null 2> /run/watch && touch /run/seen &
until grep -qs listening /run/watch; do sleep 0.1; done`);
  return () =>
    place.run(
      'n=0; until [ -e /run/seen ]; do n=$((n + 1)); [ $n -lt 600 ] || { cat /run/watch >&2; exit 1; }; sleep 0.1; done',
    );
}
