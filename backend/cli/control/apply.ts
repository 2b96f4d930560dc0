// `ptnet apply`: brings a running host to what a file says; what will be different is shown first.
import type { ControlClient } from '../../control/index.ts';
import type { Io } from '../io.ts';
import { type ChangeFlags, tell } from './change.ts';

/** @param text of the file */
export async function apply(
  client: ControlClient,
  file: string,
  text: string,
  flags: ChangeFlags,
  io: Io,
): Promise<void> {
  const { dryRun = false, force = false } = flags;
  const planned = await client.apply(text, file, { dryRun: true, force });
  if (dryRun || planned.changes.length === 0) return tell(planned, flags, io);
  if (!flags.json) tell({ ...planned, refused: [] }, flags, io);
  const done = await client.apply(text, file, { force });
  if (flags.json) tell(done, flags, io);
}
