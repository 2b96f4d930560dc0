// Looks at who shares what: regions with several VMs, regions and ports with nobody, and memory far from the workers.

import { formatPath } from '../../config/format-path.ts';
import { nearest } from '../../config/nearest.ts';
import { apartFromWorkers } from '../../config/numa-placement.ts';
import { regionUsers, unusedPorts, usedPorts } from '../../config/users.ts';
import { type Finding, pass, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';

export function lookAtRegions(scene: Scene): Finding[] {
  return [...trust(scene), ...portUse(scene), ...numa(scene)];
}

function trust({ config }: Scene): Finding[] {
  const named = [...config.regions.keys()].flatMap((region): Finding[] => {
    const object = formatPath(['regions', region]);
    const vms = regionUsers(config, region);
    if (vms.length === 0) {
      const remedy = `'region: ${region}' in a VM, or a file without it`;
      return [warn('region-used', object, 'no VM is in it', remedy)];
    }
    const used = pass('region-used', object, `${vms.join(', ')} in it`);
    if (vms.length === 1) return [used, pass('region-trust', object, `${vms[0]} alone is in it`)];
    const evidence = `shared by ${vms.join(', ')}: each of them can read and change the packets of the others`;
    return [
      used,
      warn('region-trust', object, evidence, 'a region of its own for each that does not trust the others'),
    ];
  });
  const alone = [...config.vms].filter(([, vm]) => vm.region === undefined);
  return [...named, ...alone.map(([name]) => pass('region-trust', `vms.${name}`, 'it has a private region'))];
}

function portUse({ config }: Scene): Finding[] {
  const used = usedPorts(config);
  const unused = unusedPorts(config);
  if (unused.length === 0)
    return [pass('port-used', 'ports', `${used.size} ports, each with a device or a switch`)];
  return unused.map((name) => {
    const guess = nearest(name, [...used]);
    return warn(
      'port-used',
      formatPath(['ports', name]),
      'no device and no switch has this port',
      guess === undefined ? 'a device with it, or a file without it' : `'${guess}' may be what was meant`,
    );
  });
}

function numa({ config, machine }: Scene): Finding[] {
  const far = apartFromWorkers(config, machine.nodes).map((text) => {
    const [object, ...rest] = text.split(': ');
    return warn('numa-node', object!, rest.join(': '), 'the node of the workers (numa-node)');
  });
  const said = [...config.regions.values(), ...config.vms.values()].filter(
    ({ numaNode }) => numaNode !== undefined,
  );
  if (far.length > 0 || said.length === 0) return far;
  return [
    pass(
      'numa-node',
      'engine',
      `${said.length} regions and VMs on nodes that are there, none far from the workers`,
    ),
  ];
}
