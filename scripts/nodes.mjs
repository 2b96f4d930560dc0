// npm run test-nodes: the unit and model tests on the other releases of Node that are supported. The addon is built once: its
// interface to Node (NAPI 9) is the same in all of them. npm's packages of Node bring the programs. Not Node 24: its
// napi_detach_arraybuffer ends the process for a buffer that the addon made.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const CACHE = process.env.PTNET_CACHE ?? join(homedir(), '.cache', 'ptnetmap');
const PACKAGE = `node-linux-${process.arch}`;
const RELEASES = ['22.23.3'];

function run(program, args, env = process.env) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', env });
  if (error !== undefined) console.error(`${program}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

for (const release of RELEASES) {
  const folder = join(CACHE, `node-${release}`);
  const node = join(folder, 'node_modules', PACKAGE, 'bin', 'node');
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true });
    const options = ['--no-save', '--no-fund', '--no-audit', '--loglevel=error'];
    run('npm', ['install', '--prefix', folder, ...options, `${PACKAGE}@${release}`]);
  }
  run(node, ['--version']);
  // Children that are started as 'node' are of this release too.
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
  run(node, [join('node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/unit', 'test/model'], env);
}
