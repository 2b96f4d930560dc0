// Applications of the host and a real VM: packets both ways over a switch and a pipe, checked at each end, also with
// offsets and in memory of the application's own, and as monitors of the VM's port see them.
import { expect } from 'vitest';
import type { Vm } from '../../vm-images/machine/vm.ts';
import { startClient } from '../harness/application.ts';
import type { TestHost } from '../harness/host.ts';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

/** A switch drops what has no room: a ring of 1024 slots has to have it for all of them, a monitor's for both ways. */
const FEW = 400;
const STREAM = 100_000;
const CLEAN = { lost: 0, late: 0, corrupt: 0 };
const [SWITCH, PIPE] = [0, 1];

const HOST = `
applications: { region: lan, ports: ['p}1'] }
regions: { lan: { buf-num: 16384 } }
vms: { vm1: { region: lan, devices: [{ name: net0, port: 'vale0:1' }, { name: net1, port: 'p{1' }] } }
`;

/** How the application on the switch has its packets: `traffic`'s arguments behind the count. */
const KINDS = {
  plain: ['poll'],
  'with offsets': ['poll', 700],
  'in memory of its own': ['epoll', 0, 'own'],
  'with offsets in memory of its own': ['select', 1000, 'own'],
} as const;

vmTest('applications on the switch and the pipe of a VM exchange checked packets with it', async () => {
  const h = await startHost(HOST);
  const vm = await boot(h, 'vm1');
  for (const [kind, how] of Object.entries(KINDS)) await test(kind, () => overTheSwitch(h, vm, how));
  await test('to the VM over the pipe', () => toTheVm(h, vm, PIPE, 'p}1', STREAM, []));
  await test('from the VM over the pipe', () => fromTheVm(h, vm, PIPE, 'p}1', STREAM, []));
  expect(h.warnings()).toEqual([]);
});

/** What fails says in which part it was. */
async function test(part: string, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    throw new Error(`${part}: ${String(error)}`, { cause: error });
  }
}

/** Monitors see each packet as the VM gets it and as it sends it, wherever it begins at the application. */
async function overTheSwitch(h: TestHost, vm: Vm, how: readonly (string | number)[]): Promise<void> {
  const watchers = await Promise.all(
    [0, 300].map((offset) => startClient(h, 'traffic', ['vale0:1', 'monitor', 2 * FEW, 'poll', offset])),
  );
  for (const watcher of watchers) await watcher.ready();
  await fromTheVm(h, vm, SWITCH, 'vale0:app', FEW, how);
  await toTheVm(h, vm, SWITCH, 'vale0:app', FEW, how);
  for (const watcher of watchers)
    expect(await watcher.result()).toMatchObject({ received: 2 * FEW, corrupt: 0 });
}

type Way = [
  h: TestHost,
  vm: Vm,
  device: number,
  port: string,
  count: number,
  how: readonly (string | number)[],
];

async function toTheVm(...[h, vm, device, port, count, how]: Way): Promise<void> {
  const command = `receive --device ${device} --count ${count} --payload full --progress`;
  const receiving = await new Promise<ReturnType<Vm['agentStart']>>((resolve) => {
    const started = vm.agentStart(command, { onProgress: () => resolve(started) });
    started.done.then(
      () => resolve(started),
      () => resolve(started),
    );
  });
  const sender = await startClient(h, 'traffic', [port, 'send', count, ...how]);
  expect(await sender.result()).toMatchObject({ sent: count });
  expect((await receiving.done).received).toMatchObject({ packets: count, ...CLEAN });
}

async function fromTheVm(...[h, vm, device, port, count, how]: Way): Promise<void> {
  const receiver = await startClient(h, 'traffic', [port, 'receive', count, ...how]);
  await receiver.ready();
  const { sent } = await vm.agent(`send --device ${device} --count ${count} --payload full`);
  expect(sent).toMatchObject({ packets: count });
  expect(await receiver.result()).toMatchObject({ received: count, corrupt: 0, lost: 0 });
}
