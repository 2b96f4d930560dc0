// A host with its control sockets, and a client of them: for tests of what can be asked and changed.
import { join } from 'node:path';
import { Complaints } from '../../backend/complaints.ts';
import { ControlClient } from '../../backend/control/client.ts';
import { ControlServer } from '../../backend/control/server.ts';
import type { TestHost } from '../harness/host.ts';
import { onEnd, startHost } from './scene.ts';

export interface Controlled {
  readonly host: TestHost;
  readonly client: ControlClient;
  readonly server: ControlServer;
  readonly log: { level: string };
  socket(name?: string): string;
}

export async function startControlled(yaml: string): Promise<Controlled> {
  const host = await startHost(yaml);
  const log = { level: 'warn' };
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const server = await ControlServer.start({
    host: host.host,
    log,
    complaints: new Complaints(silent, 'control'),
  });
  onEnd(() => server.close());
  const client = new ControlClient({ runDir: host.runDir });
  onEnd(() => client.close());
  return { host, client, server, log, socket: (name = 'control.sock') => join(host.runDir, name) };
}
