/** Which QEMU is taken: the machine's own when it will do; and what is said when none can be had. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'ptnet-fetch-'));
  await mkdir(join(root, 'bin'));
  vi.stubEnv('PATH', `${join(root, 'bin')}:${process.env.PATH}`);
  vi.stubEnv('PTNET_CACHE', join(root, 'cache'));
  // A repository that is not there: nothing is fetched in these tests.
  vi.stubEnv('PTNET_DEBIAN_MIRROR', `file://${join(root, 'no-mirror')}`);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  // What was found is remembered per module.
  vi.resetModules();
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

/** Puts a program that calls itself this version of QEMU in front of the PATH. */
async function installQemu(version: string, { vfioUser }: { vfioUser: boolean }): Promise<void> {
  const path = join(root, 'bin', 'qemu-system-x86_64');
  const script = `#!/bin/sh
case "$1" in
  --version) echo "QEMU emulator version ${version} (Debian 1:${version})" ;;
  -device) ${vfioUser ? 'echo vfio-user-pci options:' : 'exit 1'} ;;
esac
`;
  await writeFile(path, script);
  await chmod(path, 0o755);
}

const modules = () => import('../../../vm-images/fetch.ts');

test.each(['10.1.0', '11.1.3'])("the machine's QEMU %s is used as it is", async (version) => {
  await installQemu(version, { vfioUser: true });
  const { getQemu } = await modules();
  expect(await getQemu()).toEqual({ binary: 'qemu-system-x86_64', argsPrefix: [], version });
});

test.each([
  ['that is too old', '10.0.2', true],
  ['without vfio-user-pci', '11.1.3', false],
])('a QEMU %s is passed over: another one is fetched', async (_, version, vfioUser) => {
  await installQemu(version, { vfioUser });
  const { getQemu } = await modules();
  await expect(getQemu()).rejects.toThrow(/^apt-get -qq update: E: .*no-mirror trixie-backports/);
});

test('what cannot be had is told in one line, and asked for again the next time', async () => {
  await installQemu('7.2.19', { vfioUser: false });
  const { vmPrerequisites } = await modules();
  const why = expect.stringMatching(/^apt-get -qq update: E: [^\n]*$/);
  expect(await vmPrerequisites()).toEqual({ ok: false, why });
  await installQemu('11.0.0', { vfioUser: true });
  // Now QEMU is there, and the kernel is what is missing.
  const kernelMissing = expect.stringMatching(/no-mirror trixie Release/);
  expect(await vmPrerequisites()).toEqual({ ok: false, why: kernelMissing });
});
