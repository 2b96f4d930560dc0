// notify: which eventfd answers which ring. MSI-X vector i is ring i: tx rings first, then rx rings.
import type { Attachment } from '../../native/engine.ts';

/** What the client has set for one vector. */
export interface Vector {
  /** -1: none. */
  readonly fd: number;
  readonly masked: boolean;
}

/** Hands vectors `first` to `first + count - 1` to the data path; a masked vector is not raised. */
export function wireInterrupts(
  attachment: Attachment,
  vectors: readonly Vector[],
  first = 0,
  count = vectors.length,
): void {
  const fds = vectors.slice(first, first + count).map(({ fd, masked }) => (masked ? -1 : fd));
  attachment.setInterrupts(first, fds);
}
