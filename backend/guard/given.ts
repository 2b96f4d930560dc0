// The descriptors that this process was started with (sd_listen_fds(3)): what one that has died had stored.
import { closeFd, dup } from '../../native/os.ts';
import { add } from './turn.ts';

const FIRST = 3;

/**
 * By name; a name that comes twice has the first one. They are taken out of `env`, and no child inherits them.
 * @throws Error when they are not there
 */
export function givenFds(env: NodeJS.ProcessEnv = process.env): Map<string, number> {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const given = new Map<string, number>();
  if (Number(pid) !== process.pid || !/^\d{1,6}$/.test(count ?? '')) return given;
  const all = names.split(':');
  for (let i = 0; i < Number(count); i++) {
    // With FD_CLOEXEC.
    const fd = dup(FIRST + i);
    closeFd(FIRST + i);
    add(given, all[i] ?? '', fd);
  }
  return given;
}
