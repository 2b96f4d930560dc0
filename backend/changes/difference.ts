// What is different between two configurations, as a person reads it: a line for each key, or for a whole object that comes or goes.
import type { HostConfig } from '../config/host-config.ts';
import { formatPath } from '../config/schema.ts';
import { type FileValue, writeConfig } from '../config/write.ts';

export interface Change {
  /** `vms.vm1.devices.net0.policy` */
  readonly path: string;
  readonly op: 'add' | 'remove' | 'change';
  /** As the file would say it, on one line. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export function difference(from: HostConfig, to: HostConfig): Change[] {
  return compare([], writeConfig(from), writeConfig(to));
}

type Path = readonly PropertyKey[];

function compare(path: Path, from: FileValue | undefined, to: FileValue | undefined): Change[] {
  const [before, after] = [named(from), named(to)];
  // Within an object that both have; a whole one that comes or goes is one line.
  if (before instanceof Map && after instanceof Map) {
    const keys = new Set([...before.keys(), ...after.keys()]);
    return [...keys].flatMap((key) => compare([...path, key], before.get(key), after.get(key)));
  }
  const [was, is] = [oneLine(from), oneLine(to)];
  if (was === is) return [];
  const where = formatPath(path);
  if (was === undefined) return [{ path: where, op: 'add', to: is! }];
  if (is === undefined) return [{ path: where, op: 'remove', from: was }];
  return [{ path: where, op: 'change', from: was, to: is }];
}

/** A list of things with names, by their names; members are names by themselves. */
function named(value: FileValue | undefined): FileValue | undefined {
  if (!Array.isArray(value) || value.length === 0) return value;
  const entries = value.map((item) => [item instanceof Map ? item.get('name') : undefined, item] as const);
  if (entries.some(([name]) => typeof name !== 'string')) return value;
  return new Map(entries as [string, FileValue][]);
}

function oneLine(value: FileValue | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Map) return `{ ${[...value].map(([key, v]) => `${key}: ${oneLine(v)}`).join(', ')} }`;
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`;
  return String(value);
}

/** `+ vms.vm2: { ... }`, `~ engine.spin-us: 100 -> 50`. */
export function formatChange({ path, op, from, to }: Change): string {
  if (op === 'add') return `+ ${path}: ${to}`;
  return op === 'remove' ? `- ${path}: ${from}` : `~ ${path}: ${from} -> ${to}`;
}
