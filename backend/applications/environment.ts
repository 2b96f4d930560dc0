// What a program of this machine has to find in its environment to get a running host behind /dev/netmap.
import { existsSync, lstatSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packageRoot } from '../../native/load.ts';
import { APPLICATIONS_SOCKET } from '../config/applications.ts';
import { PtnetError } from '../errors.ts';

export interface ExecOptions {
  readonly socket?: string;
  readonly runDir: string;
  readonly debug: boolean;
}

/** The environment variables that its program finds its host by. @throws PtnetError where none listens. */
export function execEnvironment(options: ExecOptions, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const library = join(packageRoot(), 'native', 'preload', 'build', 'libptnetmap.so');
  if (!existsSync(library))
    throw new PtnetError('ERR_EXEC', `${library}: not built: 'npm run build' would be right`);
  const socket = resolve(options.socket ?? env.PTNETMAP ?? join(options.runDir, APPLICATIONS_SOCKET));
  if (!lstatSync(socket, { throwIfNoEntry: false })?.isSocket())
    throw new PtnetError(
      'ERR_EXEC',
      `${socket}: no host listens there: 'applications: {}' in the file of a running one, or --socket, would be right`,
    );
  const others = env.LD_PRELOAD ? [env.LD_PRELOAD] : [];
  return {
    ...env,
    LD_PRELOAD: [library, ...others].join(':'),
    PTNETMAP: socket,
    ...(options.debug && { PTNETMAP_DEBUG: '1' }),
  };
}
