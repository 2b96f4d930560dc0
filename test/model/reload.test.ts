// A host that `ptnet up` serves: its file is read again (SIGHUP), and what cannot be leaves the host as it was.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../backend/config/load.ts';
import { ControlClient } from '../../backend/control/client.ts';
import { ServedHost } from '../../backend/control/serve.ts';
import { type LogLine, recordingLog } from '../protocol/recording.ts';
import { onEnd } from './scene.ts';

const text = (spin: string, port = 'null:a') =>
  `engine: { spin-us: ${spin} }\nvms: { vm1: { devices: [{ port: '${port}' }] } }`;

test('a file that is read again is taken as a whole, or not at all; the log says which', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ptnet-reload-'));
  onEnd(() => rmSync(folder, { recursive: true }));
  const [file, runDir] = [join(folder, 'host.yaml'), join(folder, 'run')];
  writeFileSync(file, text('100'));
  const lines: LogLine[] = [];
  const log = Object.assign(recordingLog(lines), { level: 'warn' });
  const served = await ServedHost.start(loadConfig(file, { runDir }), { log, file, overrides: { runDir } });
  onEnd(() => served.close());
  const client = new ControlClient({ runDir });
  onEnd(() => client.close());
  expect(await client.host()).toMatchObject({ file, runDir, spinUs: 100, pid: process.pid });

  writeFileSync(file, text('50', 'null:b'));
  served.reload();
  expect(await client.host()).toMatchObject({ spinUs: 50 });
  expect((await client.ports()).map(({ name }) => name)).toEqual(['null:b']);
  expect(lines.map((line) => line.fields.event)).toContain('reload');

  for (const wrong of [
    'engine: { spin-us: x }',
    `engine: { workers: 2 }\n${text('50').split('\n')[1]}`,
    'vms: [',
  ]) {
    lines.length = 0;
    writeFileSync(file, wrong);
    served.reload();
    expect(lines[0]).toMatchObject({ level: 'error', fields: { event: 'reload-failed' } });
    expect(lines[0]!.text).toContain('nothing has changed');
    expect(await client.host()).toMatchObject({ spinUs: 50 });
  }
});
