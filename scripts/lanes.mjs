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
/** So many are run again: what fails in more places has not failed because the machine was busy. */
const AGAIN_MAX = 3;

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

/**
 * The commands that run alone what a step says has failed; none when there is no command for some of it, and none for
 * what a sanitizer found, which is a fault however rarely it shows.
 */
function commandsAgain(lines, again) {
  const named = lines.filter((line) => NAMES_A_FAILURE.test(line));
  const commands = named.map((line) => again(line));
  if (named.length === 0 || commands.includes(undefined)) return [];
  return [...new Map(commands.map((command) => [command.join(' '), command])).values()];
}

/** Runs one program; what it prints is given to `print`. Says how long it took, and resolves with what failed, if anything did. */
async function runStep({ command: [program, ...args], again }, cwd, print) {
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
  if (how === undefined) return undefined;
  const lines = failures(Buffer.concat(printed).toString());
  return { command, how, lines, again: again ? commandsAgain(lines, again) : [] };
}

/** All steps, whatever became of the one before; what failed. */
async function runLane(steps, cwd, print) {
  const failed = [];
  for (const step of steps) failed.push(await runStep(step, cwd, print));
  return failed.filter(Boolean);
}

/** To our own output, as it comes. */
const printAtOnce = (data, to) => (to === 1 ? process.stdout : process.stderr).write(data);

const say = (what, { command, how, lines }) =>
  console.error([`ptnetmap: ${what} (${how}): ${command}`, ...lines].join('\n    '));

/** Runs what failed again, with nothing beside it. Resolves with what failed then too, or was not run again. */
async function runAgain(failed, cwd) {
  const count = failed.flatMap(({ again }) => again).length;
  if (count > AGAIN_MAX) return failed;
  const left = [];
  for (const each of failed) {
    const [before, after] = [each.again, []];
    for (const command of before) after.push(await runStep({ command }, cwd, printAtOnce));
    if (before.length === 0 || after.some(Boolean)) left.push(each);
    else say('UNSTABLE, failed beside other steps and passed without them', each);
  }
  return left;
}

/**
 * A step is a program with its arguments, or `{ command, again }`: `again` gives for a line that names a failure the
 * command that runs only that. The foreground's output is seen as it comes, the background's, which gets the rest of the
 * machine, when both have ended. Every step is run, so that one run tells everything. A few that failed, and that have a
 * command to run them again, get a machine of their own: what passes there is told, and is no failure. At the end it is
 * said again what failed.
 */
export async function runLanes(cwd, { foreground, background }) {
  const printed = [];
  const step = (given) => (Array.isArray(given) ? { command: given } : given);
  const niced = (given) => ({ ...step(given), command: ['nice', '-n', '10', ...step(given).command] });
  const failed = (
    await Promise.all([
      runLane(foreground.map(step), cwd, printAtOnce),
      runLane(background.map(niced), cwd, (data) => printed.push(data)),
    ])
  ).flat();
  process.stdout.write(Buffer.concat(printed));
  const left = await runAgain(failed, cwd);
  for (const each of left) say('failed', each);
  return left.length === 0;
}
