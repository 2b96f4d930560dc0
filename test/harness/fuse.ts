/** A file whose owner never answers: what asks it anything, or closes it, waits. Its server is a process of its own, which ends with this one. */
import { existsSync, mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa, type ResultPromise } from 'execa';

const SERVER = join(import.meta.dirname, 'fuse-server.mjs');
const OPTIONS = { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', reject: false, cleanup: true } as const;

/** Requests of the FUSE protocol. */
export const FUSE = { GETATTR: 3, READ: 15, STATFS: 17, FLUSH: 25 } as const;

/** @return why there can be none here. */
export function fuseMissing(): string | undefined {
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  return process.getuid?.() === 0 ? undefined : 'mounting takes root';
}

export class SilentFile {
  readonly #server: ResultPromise<typeof OPTIONS>;
  readonly #folder: string;
  readonly #mounted: Promise<boolean>;
  /** What it was asked and has not answered, by number. */
  readonly asked: number[] = [];

  private constructor(folder: string, server: ResultPromise<typeof OPTIONS>) {
    this.#folder = folder;
    this.#server = server;
    const lines = createInterface({ input: server.stdout });
    this.#mounted = new Promise((resolve) => {
      lines.on('close', () => resolve(false));
      lines.on('line', (line) => {
        if (line === 'mounted') resolve(true);
        else this.asked.push(Number(/^silent (\d+)$/.exec(line)?.[1]));
      });
    });
  }

  static async mount(): Promise<SilentFile> {
    const folder = mkdtempSync(join(tmpdir(), 'ptnet-fuse-'));
    const command = ['--pdeathsig', 'KILL', '--', process.execPath, SERVER, folder];
    const server = execa('setpriv', command, OPTIONS);
    const file = new SilentFile(folder, server);
    if (await file.#mounted) return file;
    rmdirSync(folder);
    throw new Error(`${SERVER}: ${(await server).stderr}`);
  }

  /** The descriptor is to be closed where waiting does no harm, as closePeerFd does it. */
  open(): number {
    return openSync(join(this.#folder, 'file'), 'r+');
  }

  /** Whoever waits for it gets an error. */
  async close(): Promise<void> {
    this.#server.kill('SIGKILL');
    await this.#server;
    await execa('umount', ['-l', this.#folder]);
    rmdirSync(this.#folder);
  }
}
