// A test that needs a VM: where none can be had it is left out by name, with the reason, except where it must run.
import { existsSync } from 'node:fs';
import { test } from 'vitest';
import { vmPrerequisites } from '../../vm-images/fetch.ts';

const E2E_TIMEOUT_MS = 600_000;

const found = await vmPrerequisites();
/** On Debian as root VMs can always be had: then their absence is a failure, not a reason to leave tests out. */
const mustRun = existsSync('/etc/debian_version') && process.getuid?.() === 0;

export function vmTest(name: string, body: () => Promise<void>): void {
  if (found.ok) test(name, { timeout: E2E_TIMEOUT_MS }, body);
  else
    test.skipIf(!mustRun)(`${name} (not run: ${found.why})`, () => {
      throw new Error(`no VM: ${found.why}`);
    });
}
