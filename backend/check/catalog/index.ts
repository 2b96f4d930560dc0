// All checks by their ids, in the order of docs/checks.md; ids are stable, scripts compare them.
import type { FileCheck } from '../../config/file-checks.ts';
import type { Check } from './check.ts';
import { FILE } from './file.ts';
import { LIVE, type LiveCheck } from './live.ts';
import { MACHINE, type MachineCheck } from './machine.ts';

export type { Check } from './check.ts';

export type CheckId = FileCheck | MachineCheck | LiveCheck;

/** A heading of the page, and what is below it. */
export const GROUPS: readonly { readonly title: string; readonly checks: Readonly<Record<string, Check>> }[] =
  [
    { title: 'The file by itself', checks: FILE },
    { title: 'The file on this machine', checks: MACHINE },
    { title: 'With a host, guests and VMs that run', checks: LIVE },
  ];

export const CHECKS: Readonly<Record<CheckId, Check>> = { ...FILE, ...MACHINE, ...LIVE };
export const CHECK_IDS = Object.keys(CHECKS) as CheckId[];
