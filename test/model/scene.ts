// The hosts and the driver models of a test: they end with it, the guests first.
import { afterEach } from 'vitest';
import { type Guest, type GuestOptions, openGuest } from '../../guest-driver/model/index.ts';
import { TestHost } from '../harness/host.ts';

const cleanups: (() => void | Promise<void>)[] = [];

/** What is registered here runs after the test, last first. */
export function onEnd(cleanup: () => void | Promise<void>): void {
  cleanups.push(cleanup);
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export async function startHost(...args: Parameters<typeof TestHost.start>): Promise<TestHost> {
  const host = await TestHost.start(...args);
  onEnd(async () => await host.close());
  return host;
}

/** A guest with all devices of a VM, before CREATE. */
export async function open(host: TestHost, vm: string, options: Partial<GuestOptions> = {}): Promise<Guest> {
  const [memdev, ...ptnet] = host.sockets(vm);
  const guest = await openGuest({ memdev: memdev!, ptnet, ...options });
  onEnd(async () => await guest.close());
  return guest;
}

/** A guest whose ports are being served. */
export async function attach(
  host: TestHost,
  vm: string,
  options: Partial<GuestOptions> = {},
): Promise<Guest> {
  const guest = await open(host, vm, options);
  await guest.create();
  return guest;
}
