// What goes wrong with a socket of the control API once it listens is a line in the log, and nothing else.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Complaints } from '../../../../backend/complaints.ts';
import { listen } from '../../../../backend/control/listen.ts';
import { silentLogger } from '../../../../backend/log.ts';

test('errors that come later are counted, and those at the beginning thrown', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-listen-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const complaints = new Complaints(silentLogger, 'control');
  const path = join(folder, 'a.sock');
  const server = createServer();
  onTestFinished(() => void server.close());
  await listen(server, { path }, complaints);
  // As Node does when accept(2) has no descriptor left.
  for (let n = 0; n < 3; n++) server.emit('error', new Error('accept EMFILE'));
  expect(complaints.counters).toEqual({ socket: 3 });
  expect(server.listening).toBe(true);
  await expect(listen(createServer(), { path }, complaints)).rejects.toThrow('EADDRINUSE');
  expect(complaints.counters).toEqual({ socket: 3 });
});
