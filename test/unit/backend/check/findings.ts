// The findings of a small configuration on a machine, for tests.
import { expect } from 'vitest';
import type { CheckId } from '../../../../backend/check/catalog/index.ts';
import type { Finding } from '../../../../backend/check/finding.ts';
import type { Machine } from '../../../../backend/check/machine/machine.ts';
import { checkConfig, checkText } from '../../../../backend/check/static.ts';
import { fakeMachine } from './fake-machine.ts';

export const VALE = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;

/** All of them, of the file by itself and on a machine. @param command of vm1. */
export function findings(
  yaml: string,
  but: Partial<Machine> = {},
  command?: readonly string[],
): readonly Finding[] {
  const { config, findings: own } = checkText(yaml, 'test.yaml', {}, fakeMachine(but).nodes);
  if (config === undefined) return own;
  const commands = command === undefined ? new Map() : new Map([['vm1', command]]);
  return [...own, ...checkConfig(config, fakeMachine(but), commands)];
}

/** Those of one check, the worst first. */
export function of(id: CheckId, ...args: Parameters<typeof findings>): Finding[] {
  const order = ['fail', 'warn', 'pass'];
  return findings(...args)
    .filter((finding) => finding.id === id)
    .toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
}

/** What the worst finding of a check is. */
export function worst(id: CheckId, ...args: Parameters<typeof findings>): Finding {
  const [first] = of(id, ...args);
  expect(first, `no finding of ${id}`).toBeDefined();
  return first!;
}
