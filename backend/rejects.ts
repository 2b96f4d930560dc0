// What a device model refuses its guest, as complaints about the device.
import { describeReject, type OnReject, type RejectCause } from '../pci/index.ts';
import type { Complaints } from './complaints.ts';

/** DELETE before CREATE is what netmap's Linux driver does at every unload; why a CREATE is refused has been said before. */
const UNSAID: ReadonlySet<RejectCause> = new Set(['delete-not-serving', 'create-refused']);

export function complainOfRejects(complaints: Complaints): OnReject {
  return (cause, detail) => {
    if (!UNSAID.has(cause)) complaints.add(cause, describeReject(cause, detail));
  };
}
