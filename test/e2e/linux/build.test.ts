// The Linux driver's packaging: it builds without a warning for each kernel, installs where a kernel looks for it, and DKMS is told the truth.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listFiles } from '../../../vm-images/manifest.ts';
import { installLinuxDriver } from '../../harness/linux-driver.ts';
import { projectRoot } from '../../harness/paths.ts';
import { vmTest } from '../vm-test.ts';
import { RELEASES } from './releases.ts';

for (const release of RELEASES)
  vmTest(
    `${release}: builds without a warning (W=1), and is installed among the kernel's updates`,
    async () => {
      const root = await mkdtemp(join(tmpdir(), 'ptnet-install-'));
      try {
        const { kernel, printed } = await installLinuxDriver(release, root);
        expect(printed).toMatch(/CC \[M\] .*ptnet_tx\.o/);
        expect(printed).not.toMatch(/warning|error/i);
        const files = (await listFiles(root)).filter((file) => /\.ko(\.xz)?$/.test(file));
        expect(files).toHaveLength(1);
        expect(files[0]!.replace(/\.xz$/, '')).toBe(`lib/modules/${kernel.release}/updates/ptnet.ko`);
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    },
  );

test('dkms.conf names the version of the project, and the module that the Kbuild file builds', async () => {
  const folder = join(projectRoot(), 'guest-driver', 'linux');
  const conf = await readFile(join(folder, 'dkms.conf'), 'utf8');
  const { version } = JSON.parse(await readFile(join(projectRoot(), 'package.json'), 'utf8'));
  expect(conf).toContain(`PACKAGE_VERSION="${version}"\n`);
  expect(await readFile(join(folder, 'README.md'), 'utf8')).toContain(`/usr/src/ptnet-${version}\n`);
  const [, name] = /^BUILT_MODULE_NAME\[0\]="(.*)"$/m.exec(conf)!;
  expect(await readFile(join(folder, 'Kbuild'), 'utf8')).toMatch(new RegExp(`^obj-m := ${name}\\.o$`, 'm'));
});
