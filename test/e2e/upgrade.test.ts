// A host is taken over by another process under a real VM: packets both ways are all there and unaltered, and whatever the VM does afterwards is as before.
import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import type { GuestPort } from '../../guest-driver/model/index.ts';
import { Vm } from '../../vm-images/machine/vm.ts';
import { onEnd } from '../model/scene.ts';
import { fdsOf, type Running, Upgraded } from '../model/upgraded.ts';
import { vmTest } from './vm-test.ts';

/** vm1 is a real one. The pipe's senders wait; on the switch what finds no room is dropped, which few packets do not. */
const HOST = `
regions: { shared: { buf-num: 16384 } }
vms:
  vm1: { region: shared, devices: [{ port: 'p{1' }, { port: 'vale0:1' }] }
  vm2: { region: shared, devices: [{ port: 'p}1' }, { port: 'vale0:2' }] }
`;
const STREAM = 40_000;
const FEW = 400;
/** Packets a second. */
const RATE = 5000;
const CLEAN = { lost: 0, late: 0, corrupt: 0 };
const TAKEOVERS = 3;

async function bootVm(host: Upgraded): Promise<Vm> {
  const sockets = host.sockets('vm1', 2);
  const vm = await Vm.start({ name: 'vm1', sockets });
  onEnd(() => vm.stop());
  await vm.ready();
  return vm;
}

async function takeOverOften(host: Upgraded, running: Running): Promise<Running> {
  let now = running;
  for (let i = 0; i < TAKEOVERS; i++) now = await host.takeOver(now);
  return now;
}

const OTHER = { size: 200, payload: 'full', sleep: true } as const;

async function toTheVm(
  vm: Vm,
  device: number,
  from: GuestPort,
  count: number,
  meanwhile: () => Promise<void>,
) {
  const command = `receive --device ${device} --count ${count} --payload full --progress`;
  let started: () => void;
  const ready = new Promise<void>((resolve) => {
    started = resolve;
  });
  const receiving = vm.agentStart(command, { onProgress: () => started() });
  await Promise.race([ready, receiving.done]);
  const sending = await from.startLoop({ op: 'send', ...OTHER, count: BigInt(count), rate: RATE });
  await meanwhile();
  await sending.done;
  expect((await receiving.done).received).toMatchObject({ packets: count, ...CLEAN });
}

async function fromTheVm(
  vm: Vm,
  device: number,
  to: GuestPort,
  count: number,
  meanwhile: () => Promise<void>,
) {
  const receiving = await to.startLoop({ op: 'receive', ...OTHER, count: BigInt(count) });
  const sending = vm.agentStart(`send --device ${device} --count ${count} --payload full --rate ${RATE}`);
  await meanwhile();
  expect((await sending.done).sent).toMatchObject({ packets: count });
  expect((await receiving.done).received).toMatchObject({
    packets: BigInt(count),
    lost: 0n,
    late: 0n,
    corrupt: 0n,
  });
}

vmTest('a VM goes on under the hosts that follow each other', async () => {
  const host = new Upgraded(HOST);
  let running = await host.start();
  const vm = await bootVm(host);
  const model = await host.attach('vm2', ['net0', 'net1']);
  await model.create();
  const [pipe, lan] = model.ports as [GuestPort, GuestPort];
  const overtake = async () => {
    running = await takeOverOften(host, running);
  };
  const nothing = async () => {};
  await toTheVm(vm, 0, pipe, STREAM, overtake);
  const fds = fdsOf(running.child.pid!).length;
  await fromTheVm(vm, 0, pipe, STREAM, overtake);
  expect(fdsOf(running.child.pid!).length).toBe(fds);
  // Idle meanwhile: what it is asked for next is a doorbell, and what comes next an interrupt.
  await overtake();
  await fromTheVm(vm, 1, lan, FEW, nothing);
  await toTheVm(vm, 1, lan, FEW, nothing);
  // It begins anew, and so does its QEMU.
  await vm.reboot();
  await toTheVm(vm, 0, pipe, FEW, nothing);
  await vm.stop();
  const again = await bootVm(host);
  await fromTheVm(again, 0, pipe, FEW, overtake);
  running.child.kill('SIGTERM');
  await expect.poll(() => existsSync(host.runDir), { timeout: 20_000 }).toBe(false);
});
