// Running a program of a mutation run: to its end or to its limit.
import { spawn } from 'node:child_process';

/** Whether the program succeeded within the limit; with all its children, it is over then. `errors` gets what it says. */
export function run(program, args, cwd, { limitMs = 600_000, env = {}, errors } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'ignore', errors === undefined ? 'ignore' : 'pipe'],
      detached: true,
      env: { ...process.env, CI: 'true', ...env },
    });
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nothing of it runs any more.
      }
    };
    child.stderr?.on('data', (chunk) => errors.push(chunk));
    const timer = setTimeout(end, limitMs);
    child.on('error', () => resolve(false));
    child.on('close', (status) => {
      clearTimeout(timer);
      end();
      resolve(status === 0);
    });
  });
}

/** Does `work` for each of the items, `count` at a time; `work` also learns which of the `count` it is. */
export async function inParallel(count, items, work) {
  const left = [...items];
  const one = async (number) => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item, number);
  };
  await Promise.all(Array.from({ length: count }, (_, number) => one(number)));
}
