// Finds a group's number by its name, wherever this machine keeps its groups.
import { execFileSync } from 'node:child_process';

const NUMBER = /^(0|[1-9][0-9]{0,9})$/;
const ID_MAX = 0xffff_fffe;

/** undefined: there is no such group. */
export function findGroup(name: string): number | undefined {
  if (NUMBER.test(name)) return Number(name) <= ID_MAX ? Number(name) : undefined;
  try {
    // It also asks the directory services that /etc/group knows nothing of.
    const line = execFileSync('getent', ['group', '--', name], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number(line.split(':')[2]);
  } catch {
    return undefined;
  }
}
