// The machine that figures were taken on, and what took them.
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../native/load.ts';

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly kernel: string;
  readonly node: string;
}

export const thisMachine = (): Machine => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cpus: cpus().length,
  kernel: release(),
  node: process.version,
});

/** `AMD EPYC, 2 CPUs, Linux 6.18, Node v20.20.2`. */
export const describeMachine = ({ cpu, cpus: count, kernel, node }: Machine): string =>
  `${cpu}, ${count} ${count === 1 ? 'CPU' : 'CPUs'}, Linux ${kernel}, Node ${node}`;

/** Of this package. */
export const version = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
