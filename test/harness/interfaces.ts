// What tests of the host's interfaces share: hosts, guests and namespaces that end with the test, and what the host's log says.
import { afterEach, expect } from 'vitest';
import { type Guest, openGuest } from '../../guest-driver/model/index.ts';
import { TestHost } from './host.ts';
import { Netns } from './netns.ts';

/** Only ends a test that hangs. */
export const WAIT_MS = 100_000;
/** Sets up a namespace with two interfaces, `x` and `y`, each of which gets what the other one sends. */
export const CABLE = 'ip link add x type veth peer name y\nip link set dev x up\nip link set dev y up';
const closers: (() => Promise<unknown>)[] = [];

export async function netns(setUp = ''): Promise<Netns> {
  const opened = await Netns.open(setUp);
  closers.push(() => opened.close());
  return opened;
}

export async function startHost(yaml: string): Promise<TestHost> {
  const host = await TestHost.start(yaml);
  closers.push(() => host.close());
  return host;
}

export async function attach(host: TestHost, vm: string): Promise<Guest> {
  const [memdev, ...ptnet] = host.sockets(vm);
  const guest = await openGuest({ memdev: memdev!, ptnet });
  closers.push(() => guest.close());
  await guest.create();
  return guest;
}

export async function run(guest: Guest, options: Parameters<Guest['ports'][0]['startLoop']>[0]) {
  const loop = await guest.ports[0]!.startLoop(options);
  return loop.done;
}

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export const lines = (host: TestHost): string[] => host.log.map(({ message }) => message);
export const logged = (host: TestHost, line: string) =>
  expect.poll(() => lines(host), { timeout: WAIT_MS }).toContain(line);
