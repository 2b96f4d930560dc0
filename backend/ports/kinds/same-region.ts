// Ports that pass buffers to each other have to lie in one region.
import { APPLICATIONS } from '../../config/applications.ts';
import type { Complaint, PlacedPort } from './kind.ts';

type AnyPlace = Pick<PlacedPort<unknown>, 'vmName' | 'vm' | 'device' | 'portPath'>;

export function checkSameRegion(
  a: AnyPlace,
  b: AnyPlace,
  check: NonNullable<Complaint['check']>,
): Complaint | undefined {
  if (a.vmName === b.vmName || (a.vm.region !== undefined && a.vm.region === b.vm.region)) return undefined;
  const where = ({ vm }: AnyPlace): string =>
    vm.region === undefined ? 'its private region' : `region '${vm.region}'`;
  const has = ({ vmName }: AnyPlace): string =>
    vmName === APPLICATIONS ? 'an application has' : `${vmName} has`;
  const right = a.vm.region ?? b.vm.region ?? 'lan';
  return {
    path: b.portPath,
    text: `${has(b)} '${b.device.port}' in ${where(b)} and ${has(a)} '${a.device.port}' in ${where(a)}: 'region: ${right}' for both would be right`,
    check,
  };
}
