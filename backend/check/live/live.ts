// Starts a host of a configuration with driver models on its devices, and tries all of it; nothing is left when it ends, however it does.
import { DEFAULT_PCI_IDS } from '../../../pci/index.ts';
import type { HostConfig, VmConfig } from '../../config/host-config.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import { tryDevices } from './device.ts';
import { tryHostPaths } from './host-paths.ts';
import { type PathOptions, tryPaths } from './paths.ts';
import { nameOf } from './reach.ts';
import { interfacesOf, openSandbox, type Sandbox, withoutInterfaces } from './sandbox.ts';
import { Trial } from './trial.ts';
import { tryVms } from './vms.ts';

export interface LiveOptions extends PathOptions {
  /** Who must reach whom, where that is another file's than the one that is tried. */
  readonly expected?: HostConfig;
}

/** With driver models. */
export const checkLive = (config: HostConfig, options: LiveOptions): AsyncGenerator<Finding> =>
  inSandbox(config, options, (trial, sandbox) => tryAll(trial, sandbox, options));

/** With QEMU and guests that have the usual ids. */
export function checkVms(config: HostConfig, options: PathOptions): AsyncGenerator<Finding> {
  const vms = [...config.vms].map(([name, vm]): [string, VmConfig] => [
    name,
    { ...vm, pciIds: DEFAULT_PCI_IDS },
  ]);
  return inSandbox({ ...config, vms: new Map(vms) }, options, (trial) => tryVms(trial, options));
}

type Body = (trial: Trial, sandbox: Sandbox | undefined) => AsyncGenerator<Finding>;

async function* inSandbox(config: HostConfig, options: PathOptions, body: Body): AsyncGenerator<Finding> {
  let sandbox: Sandbox | undefined;
  let tried = config;
  const names = interfacesOf(config).join(', ');
  try {
    if (names !== '') {
      options.onProgress('a network namespace with stand-ins for the interfaces');
      try {
        sandbox = await openSandbox(config);
        tried = sandbox.config;
      } catch (error) {
        tried = withoutInterfaces(config);
        const evidence = `${(error as Error).message}: ${names} are not tried`;
        yield warn('live-interfaces', 'host', evidence);
      }
    }
    if (sandbox)
      yield pass('live-interfaces', 'host', `${names}: stand-ins in a network namespace of their own`);
    if (tried.vms.size > 0) yield* onHost(tried, options, (trial) => body(trial, sandbox));
  } finally {
    await sandbox?.close();
  }
}

async function* onHost(
  config: HostConfig,
  options: PathOptions,
  body: (trial: Trial) => AsyncGenerator<Finding>,
): AsyncGenerator<Finding> {
  let trial: Trial;
  options.signal.throwIfAborted();
  options.onProgress('a host of the file');
  try {
    trial = await Trial.start(config);
  } catch (error) {
    yield failed('live-host', 'host', (error as Error).message);
    return;
  }
  try {
    yield pass(
      'live-host',
      'host',
      `${config.vms.size} VMs with ${trial.host.vms.reduce((sum, vm) => sum + vm.devices.length, 0)} sockets`,
    );
    yield* body(trial);
  } finally {
    await trial.close();
  }
}

async function* tryAll(
  trial: Trial,
  sandbox: Sandbox | undefined,
  options: LiveOptions,
): AsyncGenerator<Finding> {
  for (const vm of trial.config.vms.keys()) {
    options.signal.throwIfAborted();
    options.onProgress(`${vm}: its devices`);
    try {
      yield* tryDevices(trial, await trial.open(vm));
    } catch (error) {
      // Nothing can be said of paths while a device is not what a driver takes.
      yield failed('live-device', vm, (error as Error).message);
      return;
    }
  }
  const { stations } = trial;
  yield* tryPaths(stations, options.expected ?? trial.config, options);
  for (const station of stations) {
    options.signal.throwIfAborted();
    try {
      yield* tryHostPaths(trial, station, sandbox?.kernels ?? [], options);
    } catch (error) {
      if (options.signal.aborted) throw error;
      yield failed('live-path', nameOf(station.place), (error as Error).message);
    }
  }
}
