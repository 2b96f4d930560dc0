// `ptnet up --guard`: a host that is killed, and the one that goes on in its place.
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import { fdsOf, type Running, Upgraded } from './upgraded.ts';

const STATE = '/memfd:ptnetmap-state';

export class Kept extends Upgraded {
  #guard: Running | undefined;

  /** As users do. */
  async startKept(): Promise<Running> {
    this.#guard = await this.start('--guard');
    return this.#guard;
  }

  /** With a guard that never waits before it starts it again. @param spareMs of service, after which the next one is started; 0: none is */
  async startOften(spareMs = 0): Promise<Running> {
    const guard = join(projectRoot(), 'native/guard/build/ptnet-guard');
    const host = [
      process.execPath,
      join(projectRoot(), 'dist/backend/cli/main.js'),
      'up',
      this.file,
      '--keep',
    ];
    const options = ['--first-ms', '0', '--most-ms', '0', '--spare-ms', String(spareMs)];
    this.#guard = await this.running(
      this.program({}, guard, ...options, join(this.folder, 'notify'), ...host),
    );
    return this.#guard;
  }

  /** The process that serves, or is to; undefined: the guard has none just now. */
  get pid(): number | undefined {
    return this.#children().find((pid) => fdsOf(pid).some((name) => name.startsWith(STATE)));
  }

  /** One that waits for its turn. */
  get spare(): number | undefined {
    return this.#children().find((pid) => !fdsOf(pid).some((name) => name.startsWith(STATE)));
  }

  #children(): number[] {
    const guard = this.#guard!.child.pid!;
    return (readFileSync(`/proc/${guard}/task/${guard}/children`, 'latin1').match(/\d+/g) ?? []).map(Number);
  }

  /** Kills it, some time after another one was. @param meanwhile is done before the guard hears of it. @returns when another one serves: its number. */
  async kill(meanwhile?: () => Promise<unknown>): Promise<number> {
    // At another place each time, and often enough when it has served for a while: one that never does is given up.
    await new Promise((resolve) => setTimeout(resolve, 300 * Math.random()));
    const before = this.pid!;
    const said = this.#served();
    const guard = this.#guard!.child.pid!;
    if (meanwhile) process.kill(guard, 'SIGSTOP');
    process.kill(before, 'SIGKILL');
    try {
      await meanwhile?.();
    } finally {
      process.kill(guard, 'SIGCONT');
    }
    const serves = () => this.#served() > said && this.pid !== before;
    await expect.poll(() => serves() || this.said.slice(-2000), { timeout: 30_000, interval: 5 }).toBe(true);
    return this.pid!;
  }

  /** `ptnet upgrade`, as users do. */
  async upgrade(...args: string[]): Promise<{ code: number | null; text: string }> {
    const { child, text } = this.command('upgrade', '--run-dir', this.runDir, ...args);
    await once(child, 'close');
    return { code: child.exitCode, text: text() };
  }

  /** What all of them have said. */
  get said(): string {
    return this.#guard!.text();
  }

  #served(): number {
    return this.said.split('The host is running').length;
  }
}

/** The state that the guard holds. */
export function withState(guard: number, use: (fd: number) => void): void {
  const folder = `/proc/${guard}/fd`;
  const fd = readdirSync(folder).find((fd) => readlinkSync(`${folder}/${fd}`).includes('ptnetmap-state'))!;
  const opened = openSync(`${folder}/${fd}`, 'r+');
  use(opened);
  closeSync(opened);
}
