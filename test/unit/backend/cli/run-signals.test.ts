// `ptnet run` as a process: the first signal asks QEMU to end, the second one ends everything at once.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { projectRoot } from '../../../harness/paths.ts';
import { runs } from '../../harness/parents.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-signals-'));
  writeFileSync(
    join(folder, 'host.yaml'),
    `run-dir: ${folder}/run\nvms: { vm1: { devices: [{ port: 'null:a' }] } }\n`,
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A QEMU that tells its pid and what it was asked. */
function start(onTerm: string) {
  const script = `#!/bin/sh
case "$1" in
  --version) echo "QEMU emulator version 11.1.3"; exit ;;
  -device) exit ;;
  -machine) exit 1 ;;
esac
trap 'touch ${folder}/asked; ${onTerm}' TERM
trap '' INT
echo $$ > ${folder}/new && mv ${folder}/new ${folder}/pid
while :; do sleep 0.05; done
`;
  writeFileSync(join(folder, 'qemu-system-x86_64'), script, { mode: 0o755 });
  const main = join(projectRoot(), 'dist/backend/cli/main.js');
  const env = { PATH: `${folder}:/usr/bin:/bin`, PTNET_CACHE: join(folder, 'cache') };
  return execa(process.execPath, [main, 'run', join(folder, 'host.yaml'), 'vm1'], { env, reject: false });
}

const qemuPid = (): Promise<number> =>
  vi.waitFor(() => Number(readFileSync(join(folder, 'pid'), 'utf8')), { timeout: 60_000 });
const asked = () =>
  vi.waitFor(() => expect(existsSync(join(folder, 'asked'))).toBe(true), { timeout: 60_000 });

test('one signal: QEMU is asked, and the host ends after it', async () => {
  const child = start('exit 0');
  await qemuPid();
  child.kill('SIGINT');
  const { exitCode, signal } = await child;
  expect({ exitCode, signal }).toEqual({ exitCode: 0, signal: undefined });
  await asked();
  expect(existsSync(join(folder, 'run'))).toBe(false);
});

test('two: nobody waits for a QEMU that does not end', async () => {
  const child = start('true');
  const pid = await qemuPid();
  child.kill('SIGINT');
  await asked();
  expect(await runs(pid)).toBe(true);
  child.kill('SIGINT');
  expect((await child).signal).toBe('SIGINT');
  await vi.waitFor(async () => expect(await runs(pid)).toBe(false), { timeout: 60_000 });
});
