// Who runs where while something is measured: workers have the first CPUs to themselves, guests share the others.
import { cpus } from 'node:os';
import type { EngineConfig } from '../config/host-config.ts';

/** With no more CPUs than workers there is nothing to place. */
const isPlaced = (workers: number, count: number): boolean => count > workers;

/** A file that places its workers itself is left as it is. */
export function placedEngine(engine: EngineConfig, count = cpus().length): EngineConfig {
  if (engine.workerCpus !== undefined || !isPlaced(engine.workers, count)) return engine;
  return { ...engine, workerCpus: Array.from({ length: engine.workers }, (_, i) => [i]) };
}

/** Whether workers and two guests have fewer CPUs than threads: what is lost is then the scheduler's doing too. */
export const isCrowded = ({ workers }: EngineConfig, count = cpus().length): boolean => count < workers + 2;

/** The CPU of the i-th guest; undefined: any. */
export function guestCpu(engine: EngineConfig, i: number, count = cpus().length): number | undefined {
  const { workers, workerCpus } = engine;
  const ours = workerCpus?.every((on, worker) => on.length === 1 && on[0] === worker) ?? false;
  return ours && isPlaced(workers, count) ? workers + (i % (count - workers)) : undefined;
}
