// What the cases of the checks on a machine have in common: their form, and small files around one port.
import type { CheckId } from '../../../../backend/check/catalog/index.ts';
import type { Status } from '../../../../backend/check/finding.ts';
import type { Machine } from '../../../../backend/check/machine/machine.ts';
import { fakeMachine } from './fake-machine.ts';
import { VALE } from './findings.ts';

/** A file on a machine, and what the worst finding of a check is. */
export interface Case {
  readonly id: CheckId;
  readonly name?: string;
  readonly status: Status;
  readonly says: RegExp;
  readonly yaml: string;
  /** What the machine has otherwise than one with everything. */
  readonly machine?: Partial<Machine>;
  /** Of vm1, instead of the printed one. */
  readonly command?: readonly string[];
}

export const NULL = "run-dir: /run/x\nvms: { vm1: { devices: [{ port: 'null:a' }] } }";

export const port = (name: string, settings = '{}'): string =>
  `ports: { '${name}': ${settings} }\nvms: { vm1: { devices: [{ port: '${name}' }] } }`;

export const member = (names: string): string => `switches: { vale0: { members: [${names}] } }\n${VALE}`;

/** A user without these. */
export const without = (...names: string[]): Partial<Machine> => ({
  uid: 1000,
  capabilities: new Set([...fakeMachine().capabilities].filter((name) => !names.includes(name))),
});
