// What a run-dir may be written as: nobody expands `~` in a configuration file, and a folder of that name helps nobody.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { quote } from './fields.ts';
import { quoted, shown } from './quote.ts';

/** In the run-dir, beside the VMs' folders: who connects may change the host, or only ask it. */
export const CONTROL_SOCKET = 'control.sock';
export const READ_SOCKET = 'control-ro.sock';
/** For those who may change the host: it takes the descriptors that a request speaks of. */
export const FILES_SOCKET = 'control-fd.sock';
/** For a process that goes on in the host's place. */
export const UPGRADE_SOCKET = 'upgrade.sock';
export const DEFAULT_RUN_DIR = '/run/ptnetmap';

/** What is wrong with `value` as a path (undefined: nothing). */
export function pathProblem(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '' || shown(value).includes('\\u{'))
    return `${quote(value)} is not a path: '/run/ptnetmap' would be right`;
  if (value === '~' || value.startsWith('~/'))
    return `${quoted(value)}: nobody expands ~ here: ${quoted(join(homedir(), value.slice(1)))} would be right`;
  return value.startsWith('~')
    ? `${quoted(value)}: nobody expands ~ here: '/run/ptnetmap' would be right`
    : undefined;
}
