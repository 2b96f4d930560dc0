// Which kernels the tests with Linux guests run on: two of them, or, when PTNET_LINUX is `all`, every one and the long forms.
import { LINUX_KERNELS } from '../../../vm-images/artifacts.ts';
import type { LinuxName } from '../../../vm-images/linux.ts';

const wanted = process.env.PTNET_LINUX ?? '';
const all = Object.keys(LINUX_KERNELS) as LinuxName[];

/** Whether what takes long is done as well. */
export const LONG = wanted === 'all';

function chosen(): readonly LinuxName[] {
  if (LONG) return all;
  // The oldest and the newest: what lies between has what one of them has.
  if (wanted === '') return [all[0]!, all.at(-1)!];
  const named = all.find((name) => name === wanted);
  if (named) return [named];
  throw new RangeError(`PTNET_LINUX: no kernel '${wanted}': all, ${all.join(' or ')} would be right`);
}

export const RELEASES = chosen();

/** For what is the same code in every kernel: in short forms the newest one has it. */
export const FEWER_RELEASES = LONG ? RELEASES : RELEASES.slice(-1);
