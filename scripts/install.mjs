// npm runs it where the package is installed: builds the addons there, with what is shipped. A clone has `npm run build` for it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeGypArguments } from './node-gyp.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The sources are there, and who works on them builds them. */
const isClone = existsSync(join(root, 'tsconfig.json'));
const ADDONS = ['native', 'guest-driver/addon'];

/** What is run, and Debian's package of it. */
const TOOLS = { 'g++': 'g++', make: 'make', python3: 'python3', find: 'findutils' };

const has = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

function build() {
  const missing = Object.keys(TOOLS).filter((program) => !has(program));
  if (missing.length > 0) {
    const packages = missing.map((program) => TOOLS[program]).join(' ');
    console.error(
      `ptnetmap: ${missing.join(', ')} not found: 'apt install ${packages}' would be right (Debian, Ubuntu)`,
    );
    return 1;
  }
  const program = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  for (const addon of ADDONS) {
    const { status } = spawnSync(process.execPath, [program, 'rebuild', ...nodeGypArguments()], {
      cwd: join(root, addon),
      stdio: ['ignore', 2, 2],
    });
    if (status !== 0) return status ?? 1;
  }
  for (const folder of ['preload', 'guard']) {
    const made = spawnSync('make', ['-s', '-C', join(root, 'native', folder)], { stdio: ['ignore', 2, 2] });
    if (made.status !== 0) return made.status ?? 1;
  }
  return 0;
}

process.exitCode = isClone ? 0 : build();
