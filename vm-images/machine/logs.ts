/** The log folder of one VM: written as things happen, removed when it went well. */
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../native/load.ts';

export type LogFile = 'console.log' | 'qemu.log' | 'qmp.log';

/** Sorts by name, and stays unique when the same VM is started again within a second. */
function folderName(name: string): string {
  return `${name}-${new Date().toISOString().replaceAll(':', '').replace('T', '-').replace('Z', '')}-${process.pid}`;
}

export class Logs {
  readonly folder: string;

  constructor(name: string, parent = join(packageRoot(), 'logs')) {
    this.folder = join(parent, folderName(name));
    mkdirSync(this.folder, { recursive: true });
  }

  /** Written at once: what a crash cuts off is what one wants to read. */
  append(file: LogFile, text: string | Uint8Array): void {
    appendFileSync(join(this.folder, file), text);
  }

  writeCommand(command: readonly string[]): void {
    const quoted = command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`));
    writeFileSync(join(this.folder, 'command.txt'), `${quoted.join(' ')}\n`);
  }

  /** Does nothing when PTNET_KEEP_LOGS asks to keep all logs. */
  remove(): void {
    if (!process.env.PTNET_KEEP_LOGS) rmSync(this.folder, { recursive: true, force: true });
  }
}
