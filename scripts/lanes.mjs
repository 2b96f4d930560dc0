// Runs lists of programs at the same time, one list after the other's steps each, for machines with a core to spare.
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** What test runners, make's recipes and sanitizers begin a line with that names what failed. */
const NAMES_A_FAILURE = /^\s*(FAIL|FAILED|SUMMARY:)\s/;
/** Lines after such a one that say why. */
const LINES_OF_CAUSE = 8;
/** Of a step that names none: the end of what it printed. */
const LAST_LINES = 5;

/** The lines that say what failed in a step, and why, each failure once. */
function failures(printed) {
  const lines = stripVTControlCharacters(printed)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const told = new Map();
  for (const [i, line] of lines.entries()) {
    if (!NAMES_A_FAILURE.test(line)) continue;
    const after = lines.slice(i + 1, i + 1 + LINES_OF_CAUSE);
    const end = after.findIndex((each) => NAMES_A_FAILURE.test(each));
    // What names it last tells the cause: before that it may only be a line of progress.
    told.set(line, end < 0 ? after : after.slice(0, end));
  }
  if (told.size === 0) return lines.slice(-LAST_LINES);
  return [...told].flatMap(([line, cause]) => [line, ...cause.map((each) => `  ${each}`)]);
}

/** Runs one program; what it prints is given to `print`. Says how long it took, and resolves with what failed, if anything did. */
async function runStep([program, ...args], cwd, print) {
  const started = performance.now();
  const color = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
  const printed = [];
  const how = await new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...color },
    });
    for (const [stream, to] of [
      [child.stdout, 1],
      [child.stderr, 2],
    ])
      stream.on('data', (data) => {
        printed.push(data);
        print(data, to);
      });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, signal) => resolve(status === 0 ? undefined : (signal ?? `exit ${status}`)));
  });
  const command = [basename(program), ...args].join(' ');
  console.error(`ptnetmap: ${command}: ${Math.round((performance.now() - started) / 1000)} s`);
  return how && { command, how, lines: failures(Buffer.concat(printed).toString()) };
}

/** All steps, whatever became of the one before; what failed. */
async function runLane(steps, cwd, print) {
  const failed = [];
  for (const step of steps) failed.push(await runStep(step, cwd, print));
  return failed.filter(Boolean);
}

/**
 * The foreground's output is seen as it comes, the background's, which gets the rest of the machine, when both have
 * ended. Every step is run, so that one run tells everything; at the end it is said again what failed.
 */
export async function runLanes(cwd, { foreground, background }) {
  const printed = [];
  const niced = background.map((step) => ['nice', '-n', '10', ...step]);
  const failed = (
    await Promise.all([
      runLane(foreground, cwd, (data, to) => (to === 1 ? process.stdout : process.stderr).write(data)),
      runLane(niced, cwd, (data) => printed.push(data)),
    ])
  ).flat();
  process.stdout.write(Buffer.concat(printed));
  for (const { command, how, lines } of failed)
    console.error([`ptnetmap: failed (${how}): ${command}`, ...lines].join('\n    '));
  return failed.length === 0;
}
