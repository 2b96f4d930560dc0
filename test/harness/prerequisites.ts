/** Says why VM tests cannot run, before the first of them fails in a less obvious way. */
import { vmPrerequisites } from '../../vm-images/fetch.ts';
import { VmError } from '../../vm-images/machine/errors.ts';

/** For beforeAll: fetches what VMs need (10 s the first time) and throws with the reason when it cannot be had. */
export async function requireVms(): Promise<void> {
  const found = await vmPrerequisites();
  if (!found.ok) throw new VmError(`VM tests cannot run: ${found.why}`);
}
