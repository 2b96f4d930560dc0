// What a check says: about which object, whether it is well, what was seen, and what to do.
import { CHECKS, type CheckId } from './catalog/index.ts';

export type Status = 'pass' | 'warn' | 'fail';

export interface Finding {
  /** Stable: docs/checks.md and `ptnet explain` have a paragraph about each. */
  readonly id: CheckId;
  /** As the file names it: `vms.vm1`, `ports.'vale0:1'`; `host` is this machine. */
  readonly object: string;
  readonly status: Status;
  /** What was looked at and found, with numbers. */
  readonly evidence: string;
  /** What to do; there is nothing where all is well. */
  readonly remedy?: string;
}

export const pass = (id: CheckId, object: string, evidence: string): Finding => ({
  id,
  object,
  status: 'pass',
  evidence,
});

/** Of both, `remedy` is the check's own where nothing better is known. */
export const warn = (
  id: CheckId,
  object: string,
  evidence: string,
  remedy: string = CHECKS[id].remedy,
): Finding => ({ id, object, status: 'warn', evidence, remedy });

export const failed = (
  id: CheckId,
  object: string,
  evidence: string,
  remedy: string = CHECKS[id].remedy,
): Finding => ({ id, object, status: 'fail', evidence, remedy });

const PROBLEMS_SHOWN = 5;

/** A pass with `evidence` where there is no problem. */
export const judge = (id: CheckId, object: string, problems: readonly string[], evidence: string): Finding =>
  problems.length === 0
    ? pass(id, object, evidence)
    : failed(id, object, problems.slice(0, PROBLEMS_SHOWN).join('; '));

export interface Summary {
  readonly pass: number;
  readonly warn: number;
  readonly fail: number;
}

export function summarize(findings: readonly Finding[]): Summary {
  const count = (status: Status): number => findings.filter((finding) => finding.status === status).length;
  return { pass: count('pass'), warn: count('warn'), fail: count('fail') };
}
