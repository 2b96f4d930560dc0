// Runs lists of programs at the same time, one list after the other's steps each, for machines with a core to spare.
import { spawn } from 'node:child_process';
import { basename } from 'node:path';

/** Says how long it took, and resolves with the exit status; what the program prints is given to `print`, or goes straight to our own output. */
function runStep([program, ...args], cwd, print) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', ...(print ? ['pipe', 'pipe'] : [1, 2])] });
    if (print) for (const stream of [child.stdout, child.stderr]) stream.on('data', print);
    child.once('error', (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(1);
    });
    child.once('close', (status) => resolve(status ?? 1));
  }).then((status) => {
    const seconds = Math.round((performance.now() - started) / 1000);
    console.error(`ptnetmap: ${[basename(program), ...args].join(' ')}: ${seconds} s`);
    return status;
  });
}

/** Steps up to the first that fails; true when none did. */
async function runLane(steps, cwd, print) {
  for (const step of steps) if ((await runStep(step, cwd, print)) !== 0) return false;
  return true;
}

/**
 * The foreground's output is seen as it comes, the background's, which gets the rest of the machine, when both have ended.
 * Each lane goes on when the other one has failed: one run tells everything.
 */
export async function runLanes(cwd, { foreground, background }) {
  const printed = [];
  const niced = background.map((step) => ['nice', '-n', '10', ...step]);
  const results = await Promise.all([
    runLane(foreground, cwd),
    runLane(niced, cwd, (data) => printed.push(data)),
  ]);
  process.stdout.write(Buffer.concat(printed));
  return results.every(Boolean);
}
