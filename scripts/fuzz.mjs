// npm run fuzz -- [kick|rings|scribble] [--seconds N]: runs the native fuzzers, each for its share of the time.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '..', 'native', 'fuzz');
const TARGETS = ['kick', 'rings', 'scribble'];

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: FOLDER, stdio: 'inherit' });
  if (error !== undefined) console.error(`fuzz: ${program}: ${error.message}`);
  if (status !== 0) process.exit(1);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '60' } },
});
const unknown = positionals.find((name) => !TARGETS.includes(name));
if (unknown !== undefined || !/^[1-9]\d*$/.test(values.seconds)) {
  console.error(`usage: npm run fuzz -- [${TARGETS.join('|')}] [--seconds N]`);
  process.exit(2);
}
const targets = positionals.length > 0 ? positionals : TARGETS;
const seconds = String(Math.ceil(Number(values.seconds) / targets.length));
run('make', ['-s', '-j2', ...targets.map((name) => `build/${name}`)]);
for (const name of targets) {
  if (name === 'scribble') {
    run(`build/${name}`, [seconds]);
    continue;
  }
  // What is found goes into the first folder; the small corpus in the tree is only read.
  mkdirSync(join(FOLDER, 'build', 'corpus', name), { recursive: true });
  const options = [`-max_total_time=${seconds}`, '-max_len=1100', '-verbosity=0', '-print_final_stats=1'];
  run(`build/${name}`, [...options, '-artifact_prefix=build/', `build/corpus/${name}`, `corpus/${name}`]);
}
