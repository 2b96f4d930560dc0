// Looks at this machine: a QEMU that will do, KVM, and limits on descriptors and mappings.
import { descriptorsNeeded } from '../../config/descriptors.ts';
import { QEMU_VERSION_MIN } from '../../hypervisor/launcher.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';

/** Two arrays of guest memory, mapped while its driver runs. */
const MAPS_PER_DEVICE = 2;
const SHARE_OF_MAPS = 4;

export function lookAtMachine(scene: Scene): Finding[] {
  return [qemu(scene), kvm(scene), descriptors(scene), maps(scene)];
}

function qemu({ machine: { qemus } }: Scene): Finding {
  const found = qemus.map(({ from, version, why }) => {
    const where = from === 'path' ? 'in the PATH' : "in ptnetmap's cache";
    return `${version ?? 'one'} ${where}${why === undefined ? '' : ` will not do: ${why}`}`;
  });
  const wanted = `QEMU ${QEMU_VERSION_MIN} or newer with vfio-user-pci`;
  if (qemus.some(({ from, why }) => from === 'path' && why === undefined))
    return pass('qemu-there', 'host', found.join('; '));
  if (qemus.some(({ why }) => why === undefined))
    return warn(
      'qemu-there',
      'host',
      found.join('; '),
      `${wanted} in the PATH, to run the printed commands as they are`,
    );
  return failed('qemu-there', 'host', found.join('; ') || 'there is no qemu-system-x86_64', wanted);
}

function kvm({ machine: { kvm: found } }: Scene): Finding {
  return found.usable
    ? pass('kvm-usable', 'host', found.why)
    : warn(
        'kvm-usable',
        'host',
        `${found.why}: VMs are emulated`,
        'the module and the right to open /dev/kvm',
      );
}

function descriptors({ config, machine }: Scene): Finding {
  const needed = descriptorsNeeded(config);
  const limit = machine.limits.descriptors;
  const evidence = `about ${needed} when every VM is attached; this process may open ${Number.isFinite(limit) ? limit : 'any number'}`;
  return needed <= limit
    ? pass('descriptors', 'host', evidence)
    : failed('descriptors', 'host', evidence, `'ulimit -n ${needed}' or LimitNOFILE=${needed}`);
}

function maps({ placed, machine }: Scene): Finding {
  const needed = MAPS_PER_DEVICE * placed.length;
  const limit = machine.limits.maps;
  const evidence = `${placed.length} devices map ${needed}; a quarter of vm.max_map_count (${limit}) is for them`;
  return needed <= limit / SHARE_OF_MAPS
    ? pass('memory-maps', 'host', evidence)
    : failed('memory-maps', 'host', evidence, `'sysctl vm.max_map_count=${needed * SHARE_OF_MAPS * 2}'`);
}
