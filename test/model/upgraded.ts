// `ptnet up` as processes of their own on one run-dir, so that one can go on in another one's place.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ControlClient } from '../../backend/control/client.ts';
import { type Guest, openGuest } from '../../guest-driver/model/index.ts';
import { projectRoot } from '../harness/paths.ts';
import { onEnd } from './scene.ts';

export const VALE = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
`;

/** Its sender waits, so that nothing is lost however long it is not served. */
export const PIPE = `
regions: { shared: { buf-num: 9000 } }
vms:
  vm1: { region: shared, devices: [{ port: 'p{1' }] }
  vm2: { region: shared, devices: [{ port: 'p}1' }] }
`;

export interface Running {
  readonly child: ChildProcess;
  readonly text: () => string;
}

export class Upgraded {
  readonly folder = mkdtempSync(join(tmpdir(), 'ptnet-upgrade-'));
  readonly file = join(this.folder, 'host.yaml');
  readonly runDir = join(this.folder, 'run');

  readonly yaml: string;

  constructor(yaml: string) {
    this.yaml = yaml;
    onEnd(() => rmSync(this.folder, { recursive: true, force: true }));
    writeFileSync(this.file, `run-dir: ${this.runDir}\n${yaml}`);
  }

  run(...args: string[]): Running {
    return this.command('up', this.file, ...args);
  }

  command(...args: string[]): Running {
    return this.commandWith({}, ...args);
  }

  commandWith(env: NodeJS.ProcessEnv, ...args: string[]): Running {
    return this.program(env, process.execPath, join(projectRoot(), 'dist/backend/cli/main.js'), ...args);
  }

  program(env: NodeJS.ProcessEnv, path: string, ...args: string[]): Running {
    const child = spawn(path, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let text = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (some: string) => {
        text += some;
      });
    onEnd(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    });
    return { child, text: () => text };
  }

  async start(...args: string[]): Promise<Running> {
    return await this.running(this.run(...args));
  }

  async running(running: Running): Promise<Running> {
    await expect
      .poll(() => running.text().includes('The host is running') || running.child.exitCode !== null, {
        timeout: 20_000,
      })
      .toBe(true);
    expect(running.text()).toContain('The host is running');
    return running;
  }

  /** @returns the process that runs now; the one before has ended in order. */
  async takeOver({ child }: Running): Promise<Running> {
    const next = await this.start('--takeover');
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    return next;
  }

  /** Of its memory device and so many others. */
  sockets(vm: string, devices: number): string[] {
    const names = ['mem', ...Array.from({ length: devices }, (_, i) => `net${i}`)];
    return names.map((name) => join(this.runDir, vm, `${name}.sock`));
  }

  async attach(vm: string, devices: string[] = ['net0']): Promise<Guest> {
    const path = (name: string) => join(this.runDir, vm, `${name}.sock`);
    const guest = await openGuest({ memdev: path('mem'), ptnet: devices.map(path) });
    onEnd(async () => await guest.close());
    return guest;
  }

  client(): ControlClient {
    const client = new ControlClient({ runDir: this.runDir });
    onEnd(() => client.close());
    return client;
  }
}

/** What its descriptors are, sorted; but for those on which its threads wait, each of which opens one when it first has to. */
export const fdsOf = (pid: number): string[] =>
  entriesOf(`/proc/${pid}/fd`)
    .flatMap((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return [];
      }
    })
    .filter((name) => name !== 'anon_inode:[eventfd]')
    .sort();

/** None of a process that has ended. */
function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
