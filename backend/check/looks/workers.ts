// Looks at who gets the CPUs: workers that never sleep beside virtual CPUs and everybody else.
import { type Finding, pass, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';

export function lookAtWorkers({ config, machine, placed }: Scene): Finding[] {
  const { workers, workerCpus, policy } = config.engine;
  const members = [...config.switches.values()].flatMap((vale) => vale.members).length;
  const polling =
    placed.filter(({ device }) => device.policy === 'poll').length + (policy === 'poll' ? members : 0);
  const busy = Math.min(workers, polling);
  const numbers = `${workers} workers, ${polling} polled attachments, ${machine.cpus} CPUs`;
  const remedy = 'policy: adaptive, or fewer workers';
  const found: Finding[] = [];
  const object = 'engine';
  if (busy >= machine.cpus)
    found.push(
      warn(
        'worker-starvation',
        object,
        `${numbers}: ${busy} workers never sleep, and no CPU is left for the VMs`,
        remedy,
      ),
    );
  else if (workers > machine.cpus)
    found.push(
      warn(
        'worker-starvation',
        object,
        `${numbers}: workers share CPUs, and wait for each other`,
        `workers: ${machine.cpus - 1 || 1}`,
      ),
    );
  const pinned = (workerCpus ?? []).filter((cpus) => cpus.length === 1).map(([cpu]) => cpu!);
  const twice = pinned.find((cpu, index) => pinned.indexOf(cpu) !== index);
  if (twice !== undefined)
    found.push(
      warn(
        'worker-starvation',
        'engine.cpus',
        `two workers are pinned to CPU ${twice}`,
        'a CPU of its own for each',
      ),
    );
  return found.length > 0 ? found : [pass('worker-starvation', object, numbers)];
}
