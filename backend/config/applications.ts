// Applications of the host beside the VMs: the ports that a file names for them are checked, and placed, as a VM's are.
import { DEFAULT_PCI_IDS } from '../../pci/index.ts';
import type { ApplicationsConfig, DeviceConfig, HostConfig, Policy, VmConfig } from './host-config.ts';
import { defaultMac } from './mac.ts';

/** Of addresses that stand for ports here: an application chooses its own. More than the VMs of any file. */
const MAC_NUMBER = 0xffff;

/** In the run-dir. */
export const APPLICATIONS_SOCKET = 'netmap.sock';

/** No VM can have this name. */
export const APPLICATIONS = 'the applications';

/** Who has ports by the file: its VMs, and the applications as if they were one. */
export function portHolders(config: HostConfig): ReadonlyMap<string, VmConfig> {
  const { applications } = config;
  if (!applications || applications.ports.length === 0) return config.vms;
  return new Map([...config.vms, [APPLICATIONS, asVm(applications, config)]]);
}

function asVm({ region, ports }: ApplicationsConfig, { engine }: HostConfig): VmConfig {
  const policy = applicationPolicy(engine.policy);
  return {
    memory: '',
    machine: 'pc',
    pciIds: DEFAULT_PCI_IDS,
    ...(region !== undefined && { region }),
    devices: ports.map(
      (port, index): DeviceConfig => ({
        name: port,
        port,
        mac: defaultMac(MAC_NUMBER, index),
        policy,
        bar0: 'io',
      }),
    ),
  };
}

/** No kick of an application's comes to the event loop: where the host serves its devices inline, a worker serves these. */
export function applicationPolicy(policy: Policy): Policy {
  return policy === 'inline' ? 'notify' : policy;
}
