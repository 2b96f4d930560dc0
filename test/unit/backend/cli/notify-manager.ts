// A service manager's socket, for tests: Node has no Unix datagrams, python3, which the addon is built with, has.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';

const MANAGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name[0] == '@' else name)
print('bound', flush=True)
while True:
    print(s.recv(4096).decode().replace('\\n', ' '), flush=True)
`;

export class NotifyManager {
  /** Datagrams, their lines joined by spaces. */
  readonly said: string[] = [];
  readonly address: string;
  readonly #process: ChildProcess;

  private constructor(address: string) {
    this.address = address;
    this.#process = spawn('python3', ['-c', MANAGER, address], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface(this.#process.stdout!).on('line', (line) => this.said.push(line));
  }

  /** @param address a path, or `@NAME` for an abstract one. */
  static async listen(address: string): Promise<NotifyManager> {
    const manager = new NotifyManager(address);
    await expect.poll(() => manager.said.shift()).toBe('bound');
    return manager;
  }

  end(): void {
    this.#process.kill();
  }
}
