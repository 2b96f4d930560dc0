// kick: which doorbell range of which session rings which attachment.
import type { Attachment } from '../../native/engine.ts';
import type { Kick } from '../../native/kick.ts';
import { PTNET } from '../../pci/index.ts';

const BAR0 = 0;

/** Doorbells of this session are answered by the native reader from now on, without the event loop. */
export function wireDoorbells(kick: Kick, session: number, attachment: Attachment): void {
  const window = { region: BAR0, offset: PTNET.KICK_BASE, stride: 4 };
  attachment.lendTarget((target) => kick.setDoorbells(session, window, target));
}

/** Returns when no doorbell of the session is being delivered any more. */
export function unwireDoorbells(kick: Kick, session: number): void {
  kick.clearDoorbells(session);
}
