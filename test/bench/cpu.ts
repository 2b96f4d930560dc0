// Processor time that processes have used, all their threads together, as the scheduler counts it.
import { readdirSync, readFileSync } from 'node:fs';

/** Seconds on a processor so far. A thread that ends in between takes its time with it. */
export function cpuSeconds(pid: number): number {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).reduce((sum, thread) => sum + threadSeconds(`${folder}/${thread}`), 0);
}

function threadSeconds(folder: string): number {
  try {
    return Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch (error) {
    // It ended after its folder was listed.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    throw error;
  }
}

export interface CpuReading {
  /** ms */
  readonly time: number;
  readonly host: number;
  readonly guests: number;
}

export function readCpu(guests: readonly number[]): CpuReading {
  const host = cpuSeconds(process.pid);
  const time = performance.now();
  return { time, host, guests: guests.reduce((sum, pid) => sum + cpuSeconds(pid), 0) };
}

/** Processors in use between two readings; below 0 never. */
export function cpusBetween(first: CpuReading, last: CpuReading): { host: number; guests: number } {
  const seconds = (last.time - first.time) / 1000;
  const share = (from: number, to: number) => Math.max(0, to - from) / seconds;
  return { host: share(first.host, last.host), guests: share(first.guests, last.guests) };
}
