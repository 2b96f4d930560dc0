// Instructions per packet of the thread that serves a path, counted by callgrind: exact, whatever else the machine does.
import { join } from 'node:path';
import { execa } from 'execa';
import { projectRoot } from '../harness/paths.ts';
import type { InstructionPath } from './scenarios.ts';

const SIZE = 60;
/** As many again are counted, so that what only the first packets cost falls away. */
const BURSTS_FIRST = 200;

const folder = (): string => join(projectRoot(), 'native', 'test');

/** Builds what is to be counted. @return why nothing can be; undefined when it can. */
export async function whyNoInstructions(): Promise<string | undefined> {
  const { exitCode, code } = await execa('valgrind', ['--version'], { reject: false });
  if (code === 'ENOENT') return 'instructions: there is no valgrind on this machine';
  if (exitCode !== 0) return `instructions: 'valgrind --version' ended with ${exitCode}`;
  const built = await execa('make', ['-s', '-C', folder(), 'cost'], { all: true, reject: false });
  return built.failed ? `instructions: native/test does not build: ${built.all?.split('\n')[0]}` : undefined;
}

/** Of a run under callgrind: what it counted, and the packets that the program says it has served. */
export function parseCounted(stdout: string, stderr: string): { instructions: number; packets: number } {
  const instructions = /^==\d+== Collected : (\d+)$/m.exec(stderr)?.[1];
  if (instructions === undefined) throw new Error(`callgrind: no count in '${stderr}'`);
  const { packets } = JSON.parse(stdout) as { packets: number };
  return { instructions: Number(instructions), packets };
}

async function count(path: InstructionPath, burst: number, packets: number) {
  const program = join(folder(), 'build', 'cost', 'service_cost');
  const tool = ['--tool=callgrind', '--callgrind-out-file=/dev/null', '--toggle-collect=*ServeAsAWorker*'];
  const { stdout, stderr } = await execa('valgrind', [
    ...tool,
    program,
    path,
    `${SIZE}`,
    `${burst}`,
    `${packets}`,
  ]);
  return parseCounted(stdout, stderr);
}

export async function instructionsPerPacket(path: InstructionPath, burst: number): Promise<number> {
  const few = await count(path, burst, BURSTS_FIRST * burst);
  const many = await count(path, burst, 2 * BURSTS_FIRST * burst);
  return (many.instructions - few.instructions) / (many.packets - few.packets);
}
