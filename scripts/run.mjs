// One entry for the npm scripts: makes sure that what a command needs is installed and built, then runs it.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatCpp } from './cpp-format.mjs';
import { runLanes } from './lanes.mjs';
import { nodeGypArguments } from './node-gyp.mjs';
import { takenByNpm } from './npm-options.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Runs a program; its output goes to stderr so that a command's stdout stays its own. Exits on failure. */
function run(program, args, { cwd = root, stdout = 2 } = {}) {
  const result = spawnSync(program, args, { cwd, stdio: [0, stdout, 2], env: process.env });
  if (result.error) {
    console.error(`${program}: ${result.error.message}`);
    process.exit(1);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Newest modification time, in ms, below the given paths; what a build writes itself does not count. */
function newest(paths) {
  let time = 0;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const stat = statSync(path);
    if (!stat.isDirectory()) time = Math.max(time, stat.mtimeMs);
    else
      for (const name of readdirSync(path)) {
        if (name !== 'build' && name !== 'node_modules') time = Math.max(time, newest([join(path, name)]));
      }
  }
  return time;
}

/** Runs `build` unless `stamp` is younger than every source. */
function unlessFresh(stamp, sources, build) {
  if (existsSync(stamp) && statSync(stamp).mtimeMs > newest(sources.map((s) => join(root, s)))) return;
  build();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
}

function install() {
  unlessFresh(join(root, 'node_modules', '.ptnetmap-installed'), ['package-lock.json'], () => {
    console.error('ptnetmap: installing dependencies');
    run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error']);
  });
}

function buildNative() {
  install();
  for (const folder of ['native', 'guest-driver/addon']) {
    if (!existsSync(join(root, folder, 'binding.gyp'))) continue;
    const sources = folder === 'native' ? ['native'] : ['guest-driver/addon', 'guest-driver/core'];
    unlessFresh(join(root, folder, 'build', '.built'), sources, () => {
      console.error(`ptnetmap: building ${folder}`);
      // 'configure' finds new sources, 'build' compiles what changed: a 'rebuild' would start from nothing each time.
      run(bin('node-gyp'), ['configure', 'build', ...nodeGypArguments()], {
        cwd: join(root, folder),
      });
    });
  }
}

/** What applications of the host load, and what starts a host again; make looks for what has changed. */
function buildMade() {
  for (const folder of ['preload', 'guard']) run('make', ['-s', '-C', join(root, 'native', folder)]);
}

function build() {
  buildNative();
  buildMade();
  const sources = [
    'pci',
    'backend',
    'native',
    'guest-driver',
    'vm-images',
    'demo',
    'test/harness',
    'test/bench',
    'tsconfig.json',
    'tsconfig.build.json',
  ];
  unlessFresh(join(root, 'dist', '.built'), sources, () => {
    console.error('ptnetmap: compiling TypeScript');
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    run(bin('tsc'), ['-p', 'tsconfig.build.json']);
  });
  linkCommand();
}

/** `npx ptnet` then runs this build, without asking a registry for a package of that name; an install removes the link. */
function linkCommand() {
  const link = bin('ptnet');
  chmodSync(join(root, 'dist', 'backend', 'cli', 'main.js'), 0o755);
  if (existsSync(link)) return;
  rmSync(link, { force: true });
  symlinkSync(join('..', '..', 'dist', 'backend', 'cli', 'main.js'), link);
}

const script = (path) => (args) => run(process.execPath, [join(root, path), ...args], { stdout: 1 });

/** For a line of vitest's that names a failure: what runs its file again, given what runs a file. */
const fileAgain = (command) => (line) => {
  const [, file] = /^FAIL\s+(test\/\S+\.test\.ts)/.exec(line) ?? [];
  return file && [...command, file];
};

/** The C++ tests use all cores, the others and what is in VMs wait a good deal. More steps can go beside each. */
async function testAll({ foreground = [], background = [] }) {
  const vitest = (...args) => ({
    command: [bin('vitest'), 'run', ...args],
    again: fileAgain([bin('vitest'), 'run']),
  });
  // With the objects that build() has made.
  const make = (folder, target) => ['make', '-s', '-k', '-j2', '-C', folder, 'ADDON=1', target];
  const folders = ['native/model', 'native/test', 'guest-driver/core/test', 'guest-driver/linux/test'];
  const passed = await runLanes(root, {
    foreground: [vitest('--exclude', 'test/e2e/**'), vitest('test/e2e'), ...foreground],
    background: [
      ...folders.map((folder) => ({
        command: make(folder, 'check'),
        again: (line) => {
          const [, kind, test] = /^FAILED (?:\S*\/)?build\/(plain|asan|tsan)\/(\w+_test):/.exec(line) ?? [];
          return test && make(folder, `run-${kind}-${test}`);
        },
      })),
      ...background,
    ],
  });
  if (!passed) process.exit(1);
}

const commands = {
  build,
  'build-native': () => {
    buildNative();
    buildMade();
  },
  check: () => {
    // What is made from the program needs it built.
    build();
    run(bin('tsc'), ['-p', 'tsconfig.json'], { stdout: 1 });
    run(bin('biome'), ['check', '.'], { stdout: 1 });
    if (!formatCpp(root, { write: false })) process.exit(1);
    run(bin('vitest'), ['run', 'test/tidy', 'test/generated'], { stdout: 1 });
    run(bin('api-extractor'), ['run', '--config', 'etc/api-extractor.json'], { stdout: 1 });
  },
  generate: () => {
    build();
    run(bin('api-extractor'), ['run', '--local', '--config', 'etc/api-extractor.json'], { stdout: 1 });
    run(bin('vitest'), ['run', 'test/generated', '--update'], { stdout: 1 });
  },
  format: () => {
    install();
    run(bin('biome'), ['check', '--write', '.'], { stdout: 1 });
    if (!formatCpp(root, { write: true })) process.exit(1);
  },
  test: async (args) => {
    build();
    if (args.length > 0) run(bin('vitest'), ['run', ...args], { stdout: 1 });
    else await testAll({});
  },
  'test-all': async () => {
    build();
    const node = (...file) => [process.execPath, join(root, 'scripts', ...file)];
    const nodes = node('nodes', 'main.mjs');
    await testAll({
      foreground: [{ command: [...nodes, '--short'], again: fileAgain(nodes) }],
      background: [[...node('fuzz.mjs'), '--seconds', '60']],
    });
  },
  'test-linux': (args) => {
    build();
    process.env.PTNET_LINUX ??= 'all';
    run(bin('vitest'), ['run', ...(args.length > 0 ? args : ['test/e2e/linux'])], { stdout: 1 });
  },
  demo: (args) => {
    build();
    script('dist/demo/main.js')(args);
  },
  mutate: (args) => {
    build();
    script('scripts/mutate/main.mjs')(args);
  },
  fuzz: (args) => {
    build();
    script('scripts/fuzz.mjs')(args);
  },
  'test-nodes': (args) => {
    build();
    script('scripts/nodes/main.mjs')(args);
  },
  bench: (args) => {
    build();
    script('dist/test/bench/main.js')(args);
  },
};

const [name, ...args] = process.argv.slice(2);
const command = commands[name];
if (!command) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(commands).join('|')} [arguments]`);
  process.exit(2);
}
const taken = takenByNpm(name, args, process.env);
if (taken !== undefined) {
  console.error(taken);
  process.exit(2);
}
await command(args);
