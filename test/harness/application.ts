/** Programs of the host that use netmap's ABI: builds the test clients and the library that they load, and runs them. */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { withLock } from '../../vm-images/lock.ts';
import type { TestHost } from './host.ts';
import { projectRoot } from './paths.ts';

const SOURCES = join(projectRoot(), 'test', 'applications');
const LIBRARY = join(projectRoot(), 'native', 'preload');
/** Of the clients' own faults: what they do wrong must not look like ours. */
const CFLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE', '-pthread'];
const PARTS = ['port.c', 'csb.c'];

let library: Promise<string> | undefined;
const clients = new Map<string, Promise<string>>();

/** The library that a program loads. */
export function preload(): Promise<string> {
  library ??= withLock(join(tmpdir(), `ptnetmap-preload-${process.getuid?.() ?? 0}.lock`), async () => {
    await execa('make', ['-s', '-C', LIBRARY]);
    return join(LIBRARY, 'build', 'libptnetmap.so');
  });
  return library;
}

/** The program of `test/applications/NAME.c`. */
export function client(name: string): Promise<string> {
  const there = clients.get(name) ?? build(name);
  clients.set(name, there);
  return there;
}

async function build(name: string): Promise<string> {
  const folder = join(SOURCES, 'build');
  const binary = join(folder, name);
  const sources = [`${name}.c`, ...PARTS].map((file) => join(SOURCES, file));
  await withLock(join(tmpdir(), `ptnetmap-clients-${process.getuid?.() ?? 0}.lock`), async () => {
    mkdirSync(folder, { recursive: true });
    const built = statSync(binary, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (built <= newest(sources)) await execa('cc', [...CFLAGS, ...sources, '-o', binary]);
  });
  return binary;
}

function newest(sources: readonly string[]): number {
  const headers = readdirSync(SOURCES).filter((file) => file.endsWith('.h'));
  return Math.max(
    ...[...sources, ...headers.map((file) => join(SOURCES, file))].map((file) => statSync(file).mtimeMs),
  );
}

/** The environment in which a program gets this host behind /dev/netmap. */
export async function environment(host: Pick<TestHost, 'runDir'>): Promise<Record<string, string>> {
  return { LD_PRELOAD: await preload(), PTNETMAP: join(host.runDir, 'netmap.sock') };
}

/** Starts a test client; its lines on stdout are JSON. */
export async function startClient(
  host: Pick<TestHost, 'runDir'>,
  name: string,
  args: readonly (string | number)[],
): Promise<Client> {
  const binary = await client(name);
  return new Client(start(binary, args.map(String), await environment(host)));
}

const start = (binary: string, args: readonly string[], env: Record<string, string>) =>
  execa(binary, args, { env, reject: false });

export class Client {
  readonly process: ReturnType<typeof start>;
  readonly #lines: string[] = [];
  readonly #ready: Promise<void>;

  constructor(process: ReturnType<typeof start>) {
    this.process = process;
    this.#ready = new Promise((resolve) => {
      let text = '';
      process.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const lines = text.split('\n');
        text = lines.pop()!;
        this.#lines.push(...lines);
        if (this.#lines.length > 0) resolve();
      });
      void process.then(() => resolve());
    });
  }

  /** It has opened its port, or ended. */
  async ready(): Promise<void> {
    await this.#ready;
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  /** Its last line, once it has ended well. @throws Error with what it said on stderr. */
  async result(): Promise<Record<string, unknown>> {
    const { exitCode, signal, stderr } = await this.process;
    if (exitCode !== 0) throw new Error(`client: exit ${exitCode ?? signal}: ${String(stderr)}`);
    return JSON.parse(this.#lines.at(-1) ?? '{}') as Record<string, unknown>;
  }
}
