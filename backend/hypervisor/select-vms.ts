// The VMs of a file that a command line names.
import { alternatives, nearest } from '../config/nearest.ts';
import { ConfigurationError } from '../errors.ts';
import type { AttachedVm } from './attach.ts';

/** @param name of one of them; undefined: all. @throws ConfigurationError with the name that was probably meant. */
export function selectVms(
  vms: readonly AttachedVm[],
  name: string | undefined,
  file: string,
): readonly AttachedVm[] {
  if (name === undefined) return vms;
  const found = vms.filter((vm) => vm.name === name);
  if (found.length > 0) return found;
  const names = vms.map((vm) => vm.name);
  const guess = nearest(name, names);
  throw new ConfigurationError(
    `${file}: there is no VM '${name}': ${alternatives(guess ? [guess] : names)} would be right`,
  );
}
