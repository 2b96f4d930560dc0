// What a guest did wrong, counted by cause and reported to whoever wants to log it.

/** Every cause, with what it means. */
export const REJECT_CAUSES = {
  'beyond-region': 'an access that does not lie inside the BAR or config space',
  'no-bar': 'an access to a BAR that the device does not have',
  'not-mapped': 'an access by message to memory that is only reached by mapping it',
  'no-register': 'a write where there is no register',
  'read-only': 'a write to a read-only register',
  'partial-write': 'a write that covers only a part of a 32-bit register',
  'unknown-command': 'a PTCTL command other than CREATE and DELETE',
  'create-serving': 'CREATE while the rings are already being served',
  'create-without-csb': 'CREATE before both CSB addresses are set',
  'create-refused': 'CREATE that the host refused',
  'delete-not-serving': 'DELETE while the rings are not being served',
  'delete-failed': 'DELETE that ended with an error; the rings are no longer served all the same',
  'vnet-hdr-len': 'a virtio-net header length other than 0, 10 and 12',
  'kick-no-ring': 'a doorbell of a ring that the port does not have',
  'kick-not-serving': 'a doorbell while the rings are not being served',
} as const;

export type RejectCause = keyof typeof REJECT_CAUSES;

export interface RejectDetail {
  bar?: number;
  offset?: number;
  length?: number;
  register?: string;
  value?: number;
  errno?: number;
  ring?: number;
}

/** Called for every reject, so possibly very often: whoever logs it limits the rate. */
export type OnReject = (cause: RejectCause, detail: RejectDetail) => void;

/** For a line of a log: what is wrong, and what it was about. */
export function describeReject(cause: RejectCause, detail: RejectDetail): string {
  const about = Object.entries(detail)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) => `${key} ${key === 'offset' || key === 'value' ? `0x${value.toString(16)}` : value}`,
    );
  return `${REJECT_CAUSES[cause]}${about.length > 0 ? ` (${about.join(', ')})` : ''}`;
}

export class Rejects {
  readonly #counters: Record<RejectCause, number>;
  readonly #onReject: OnReject | undefined;

  constructor(onReject?: OnReject) {
    const zeros = Object.keys(REJECT_CAUSES).map((cause) => [cause, 0]);
    this.#counters = Object.fromEntries(zeros) as Record<RejectCause, number>;
    this.#onReject = onReject;
  }

  get counters(): Readonly<Record<RejectCause, number>> {
    return this.#counters;
  }

  add(cause: RejectCause, detail: RejectDetail = {}): void {
    this.#counters[cause] += 1;
    this.#onReject?.(cause, detail);
  }
}
