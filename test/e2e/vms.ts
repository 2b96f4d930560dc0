// Hosts and VMs of an end-to-end test, ended after each test whatever happened.
import { afterEach } from 'vitest';
import { Vm, type VmOptions } from '../../vm-images/machine/vm.ts';
import { TestHost } from '../harness/host.ts';

const hosts: TestHost[] = [];
const vms: Vm[] = [];

/** `yaml` without run-dir. */
export async function startHost(yaml: string, after?: TestHost): Promise<TestHost> {
  const host = await TestHost.start(yaml, undefined, after);
  hosts.push(host);
  return host;
}

/** Boots the VM of that name with all its devices and waits for the agent. */
export async function boot(host: TestHost, name: string, options: Partial<VmOptions> = {}): Promise<Vm> {
  const vm = await start(host, name, options);
  await vm.ready();
  return vm;
}

/** The VM of that name as it was saved into `file`: its agent is where it was. */
export async function restore(host: TestHost, name: string, file: string): Promise<Vm> {
  return await start(host, name, { qemuArguments: ['-incoming', `file:${file}`] });
}

async function start(host: TestHost, name: string, options: Partial<VmOptions>): Promise<Vm> {
  const vm = await Vm.start({ name, sockets: host.sockets(name), ...options });
  vms.push(vm);
  return vm;
}

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') for (const vm of vms) vm.keepLogs();
  await Promise.all(vms.splice(0).map((vm) => vm.stop()));
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});
