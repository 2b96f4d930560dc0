// What FreeBSD's driver relies on: it frees its rings when DELETE returns and panics on an interrupt that comes later, and
// ignores an interrupt that comes before its interface is marked running.
import { expect } from 'vitest';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const ROUNDS = 50;

for (const policy of ['notify', 'adaptive', 'poll']) {
  vmTest(
    `interface down under 20,000 packets a second: no interrupt after DELETE (policy ${policy})`,
    async () => {
      const h = await startHost(`
ports: { 'null:a': { source: { packets: unlimited, rate: 20000 } } }
vms:
  vm1: { devices: [{ port: 'null:a', policy: ${policy} }] }
`);
      const vm = await boot(h, 'vm1');
      const result = await vm.agent(`down --count ${ROUNDS}`);
      expect(result).toMatchObject({ rounds: ROUNDS, afterDelete: 0 });
      expect(Number(result.packets)).toBeGreaterThan(ROUNDS);
      expect(Number(result.interrupts)).toBeGreaterThan(ROUNDS);
    },
  );
}

for (const policy of ['notify', 'adaptive', 'poll']) {
  vmTest(
    `an interrupt that was ignored before the rx ring was full is followed by another one (policy ${policy})`,
    async () => {
      const h = await startHost(`
ports: { 'null:a': { rx-slots: 64, source: { packets: unlimited } } }
vms:
  vm1: { devices: [{ port: 'null:a', policy: ${policy} }] }
`);
      const vm = await boot(h, 'vm1');
      expect(await vm.agent('overlook')).toMatchObject({ first: true, full: true, second: true });
    },
  );
}
