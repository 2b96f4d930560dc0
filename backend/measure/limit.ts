// The machine's own limit, which says what a rate is worth.
import { measureLimit } from '../../native/limits.ts';

/** What two threads of this machine do that pass slots and copy what is behind each: no data path between two of them does more. */
export const LIMIT_MEANING =
  'two threads of this machine that pass slots through a ring, with a copy of 60 bytes each';

/** Slots per second. */
export async function slotLimit(seconds: number): Promise<number> {
  return (await measureLimit('slots+copy', seconds)).perSecond;
}
