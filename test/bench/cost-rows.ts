// The rows of the report about what things cost: idle rings, a trickle of packets, idle ports beside a busy pair,
// memory, instructions and cycles.
import type { SamplesOf } from './sample.ts';
import {
  CYCLE_PATHS,
  cyclesLabel,
  IDLE_RINGS,
  INSTRUCTION_BURSTS,
  INSTRUCTION_PATHS,
  idleLabel,
  instructionsLabel,
  MEMORY_LABEL,
  MONITORS,
  monitorLabel,
  PING_PONGS,
  type PingPong,
  pingPongLabel,
  portsLabel,
  SWITCH_PORTS,
  SYSTEM_CALLS,
  systemCallsLabel,
  TAKEOVER_LABEL,
  TRICKLE_POLICIES,
  trickleLabel,
} from './scenarios.ts';
import { type Stat, statOf } from './statistics.ts';

export type CostRow =
  /** Attached rings without traffic: percent of one CPU. */
  | { readonly name: 'idle'; readonly rings: number; readonly cpuPercent: Stat }
  /** A guest that sends 4000 packets per second, of the host: percent of one CPU. */
  | { readonly name: 'trickle'; readonly policy: string; readonly cpuPercent: Stat }
  /** A busy pair on a switch with so many ports, all attached: millions of packets per second. */
  | { readonly name: 'vale-ports'; readonly ports: number; readonly mpps: Stat }
  /** The same with two ports, of which the sender's has a monitor. */
  | { readonly name: 'vale-monitor'; readonly monitor: string; readonly mpps: Stat }
  /** One round trip of two that wake each other up. */
  | {
      readonly name: 'ping-pong';
      readonly cpus: PingPong['cpus'];
      readonly policy?: PingPong['policy'];
      readonly us: Stat;
    }
  /** Of a busy application or its worker, for a thousand bursts of packets; those that only give a CPU away are apart. */
  | { readonly name: 'system-calls'; readonly of: string; readonly calls: Stat; readonly yields: Stat }
  /** What one more attached port with small rings adds to the host, in KiB. */
  | { readonly name: 'memory-per-port'; readonly kib: Stat }
  | { readonly name: 'takeover'; readonly ms: Stat }
  /** Of the thread that serves a path, per packet of 60 bytes: counted exactly, the same on every machine. */
  | {
      readonly name: 'instructions';
      readonly path: string;
      readonly burst: number;
      readonly instructions: Stat;
    }
  /** Of host and guests together, per packet that arrived. */
  | { readonly name: 'cycles'; readonly path: string; readonly cycles: Stat };

export function costRows(of: SamplesOf): CostRow[] {
  const stat = (label: string, factor: number, digits: number) =>
    statOf(of(label), ({ value }) => value, factor, digits);
  const rows: CostRow[] = [];
  for (const rings of IDLE_RINGS) {
    const cpuPercent = stat(idleLabel(rings), 100, 3);
    if (cpuPercent) rows.push({ name: 'idle', rings, cpuPercent });
  }
  for (const policy of TRICKLE_POLICIES) {
    const cpuPercent = stat(trickleLabel(policy), 100, 3);
    if (cpuPercent) rows.push({ name: 'trickle', policy, cpuPercent });
  }
  for (const ports of SWITCH_PORTS) {
    const mpps = stat(portsLabel(ports), 1e-6, 3);
    if (mpps) rows.push({ name: 'vale-ports', ports, mpps });
  }
  for (const monitor of MONITORS) {
    const mpps = stat(monitorLabel(monitor), 1e-6, 3);
    if (mpps) rows.push({ name: 'vale-monitor', monitor, mpps });
  }
  for (const pingPong of PING_PONGS) {
    const us = stat(pingPongLabel(pingPong), 1e-3, 2);
    if (us) rows.push({ name: 'ping-pong', ...pingPong, us });
  }
  for (const busy of SYSTEM_CALLS) {
    const calls = stat(systemCallsLabel(busy), 1, 2);
    const yields = statOf(of(systemCallsLabel(busy)), (sample) => sample.yields, 1, 2);
    if (calls && yields) rows.push({ name: 'system-calls', of: busy, calls, yields });
  }
  const kib = stat(MEMORY_LABEL, 1 / 1024, 1);
  if (kib) rows.push({ name: 'memory-per-port', kib });
  const ms = stat(TAKEOVER_LABEL, 1e-6, 1);
  if (ms) rows.push({ name: 'takeover', ms });
  for (const path of INSTRUCTION_PATHS)
    for (const burst of INSTRUCTION_BURSTS) {
      const instructions = stat(instructionsLabel(path, burst), 1, 1);
      if (instructions) rows.push({ name: 'instructions', path, burst, instructions });
    }
  for (const path of CYCLE_PATHS) {
    const cycles = stat(cyclesLabel(path), 1, 1);
    if (cycles) rows.push({ name: 'cycles', path, cycles });
  }
  return rows;
}

/** As `--only` and comparisons name it. */
export function costLabel(row: CostRow): string {
  switch (row.name) {
    case 'idle':
      return idleLabel(row.rings);
    case 'trickle':
      return trickleLabel(row.policy);
    case 'vale-ports':
      return portsLabel(row.ports);
    case 'vale-monitor':
      return monitorLabel(row.monitor);
    case 'ping-pong':
      return pingPongLabel(row);
    case 'system-calls':
      return systemCallsLabel(row.of);
    case 'memory-per-port':
      return MEMORY_LABEL;
    case 'takeover':
      return TAKEOVER_LABEL;
    case 'instructions':
      return instructionsLabel(row.path, row.burst);
    case 'cycles':
      return cyclesLabel(row.path);
  }
}

export function costStat(row: CostRow): { stat: Stat; more: 'better' | 'worse' } {
  switch (row.name) {
    case 'idle':
    case 'trickle':
      return { stat: row.cpuPercent, more: 'worse' };
    case 'vale-ports':
    case 'vale-monitor':
      return { stat: row.mpps, more: 'better' };
    case 'ping-pong':
      return { stat: row.us, more: 'worse' };
    case 'system-calls':
      return { stat: row.calls, more: 'worse' };
    case 'memory-per-port':
      return { stat: row.kib, more: 'worse' };
    case 'takeover':
      return { stat: row.ms, more: 'worse' };
    case 'instructions':
      return { stat: row.instructions, more: 'worse' };
    case 'cycles':
      return { stat: row.cycles, more: 'worse' };
  }
}
