// The checks that start nothing: what a file says, and what this machine makes of it.
import type { HostConfig } from '../config/host-config.ts';
import { type Overrides, parseConfig } from '../config/load.ts';
import { type NumaNodes, readNumaNodes } from '../config/numa-nodes.ts';
import { ConfigurationError } from '../errors.ts';
import { filePasses } from './file-passes.ts';
import { type Finding, failed } from './finding.ts';
import { lookAtAddresses } from './looks/addresses.ts';
import { lookAtMachine } from './looks/machine.ts';
import { lookAtMemory } from './looks/memory.ts';
import { lookAtPorts } from './looks/ports.ts';
import { lookAtRegions } from './looks/regions.ts';
import { lookAtRights } from './looks/rights.ts';
import { lookAtSwitches } from './looks/switches.ts';
import { lookAtVms } from './looks/vms.ts';
import { lookAtWorkers } from './looks/workers.ts';
import type { Machine } from './machine/machine.ts';
import { makeScene, type Scene } from './scene.ts';

const LOOKS: readonly ((scene: Scene) => Finding[])[] = [
  lookAtRegions,
  lookAtPorts,
  lookAtSwitches,
  lookAtAddresses,
  lookAtVms,
  lookAtMemory,
  lookAtWorkers,
  lookAtRights,
  lookAtMachine,
];

export interface CheckedText {
  /** Undefined where the file cannot be a host's. */
  readonly config?: HostConfig;
  readonly findings: readonly Finding[];
}

/** What is wrong with a text by itself; where nothing is, each of these checks has passed. */
export function checkText(
  text: string,
  file: string,
  overrides: Overrides = {},
  nodes: NumaNodes = readNumaNodes(),
): CheckedText {
  try {
    const config = parseConfig(text, file, overrides, nodes);
    return { config, findings: filePasses(config) };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    if (error.found.length === 0) return { findings: [failed('file-form', 'file', error.message)] };
    return {
      findings: error.found.map(({ path, described, check = 'file-form' }) =>
        failed(check, path || 'file', described),
      ),
    };
  }
}

/** @param commands the words of a VM's command, where its user has another than the printed one. */
export function checkConfig(
  config: HostConfig,
  machine: Machine,
  commands: ReadonlyMap<string, readonly string[]> = new Map(),
): Finding[] {
  const scene = makeScene(config, machine, commands);
  return LOOKS.flatMap((look) => look(scene));
}
