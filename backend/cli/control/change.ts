// How a change of a running host is asked for and told: what has become different, a line for each.
import { formatChange } from '../../changes/difference.ts';
import type { ChangeOptions, ChangesState } from '../../control/index.ts';
import { ControlError } from '../../control/index.ts';
import type { Io } from '../io.ts';

export interface ChangeFlags {
  readonly json: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

export const asked = ({ dryRun, force }: ChangeFlags): ChangeOptions => ({ dryRun, force });

/** @throws ControlError when it was a dry run, and the host would refuse. */
export function tell(done: ChangesState, { json, dryRun = false }: ChangeFlags, io: Io): void {
  for (const warning of done.warnings) io.err(`warning: ${warning}\n`);
  if (json) io.out(`${JSON.stringify(done)}\n`);
  else if (done.changes.length === 0) io.out('nothing to change\n');
  else io.out(`${done.changes.map(formatChange).join('\n')}\n`);
  if (dryRun && done.refused.length > 0) throw new ControlError(done.refused.join('\n'));
}
