/** Runs scripts in the namespaces of another process, as root, with nothing of this process' environment. */
import { readFileSync } from 'node:fs';
import { execa } from 'execa';

/** Of somebody who has logged in as root. */
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin';

export interface Ended {
  readonly exitCode?: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * @param unshared of `unshare --fork`: it is its child whose namespaces these are.
 * @param namespaces options of nsenter.
 * @param timeout in ms, of the script's first process.
 * @throws Error when there is no such child.
 */
export async function enter(
  unshared: number,
  namespaces: readonly string[],
  script: string,
  { timeout, env = {} }: { timeout?: number; env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const child = readFileSync(`/proc/${unshared}/task/${unshared}/children`, 'utf8').trim();
  if (child === '') throw new Error(`the process ${unshared} has no child (yet)`);
  const variables = Object.entries({ PATH, HOME: '/root', LC_ALL: 'C.UTF-8', ...env });
  const command = ['env', '-i', ...variables.map(([name, value]) => `${name}=${value}`), 'sh', '-c', script];
  return await execa('nsenter', ['--target', child, ...namespaces, '--root', '--wd', ...command], {
    stdin: 'ignore',
    reject: false,
    ...(timeout !== undefined && { timeout }),
  });
}

/** What a script printed. @throws Error with all of that when it failed. */
export function printed(script: string, { exitCode, stdout, stderr }: Ended): string {
  if (exitCode === 0) return stdout;
  throw new Error(`'${script}' ended with ${exitCode}: ${stderr}\n${stdout}`);
}
