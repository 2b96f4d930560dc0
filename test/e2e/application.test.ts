// What a packet generator of a real guest does that knows netmap only: it uses every ring with an offset in netmap_if, and
// ends when all its packets have left.
import { expect } from 'vitest';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

/** Between two VMs a packet costs a virtual CPU each: it is the last ones that matter. */
const PORTS = [
  { port: 'null:a', rings: 2, count: 3_000_000, peer: undefined, region: '' },
  { port: 'p{1', rings: 1, count: 1_000_000, peer: 'p}1', region: 'region: lan, ' },
  { port: 'vale0:a', rings: 1, count: 1_000_000, peer: 'vale0:b', region: '' },
] as const;
/** Only ends a test that hangs. */
const WAIT_S = 240;

for (const { port, rings, count, peer, region } of PORTS) {
  vmTest(`${port}: an application's ${count} packets all leave its rings`, async () => {
    const other = peer === undefined ? '' : `  vm2: { ${region}devices: [{ port: '${peer}' }] }`;
    const h = await startHost(`
regions: { lan: {} }
ports: { '${port}': { tx-rings: ${rings}, rx-rings: ${rings} } }
vms:
  vm1: { ${region}devices: [{ port: '${port}' }] }
${other}
`);
    const vm = await boot(h, 'vm1');
    const second = peer === undefined ? undefined : await boot(h, 'vm2');
    const options = { timeoutMs: (WAIT_S + 20) * 1000 };
    const timeout = `--timeout ${WAIT_S + 10}`;
    const receiving = second?.agent(`receive --seconds ${WAIT_S} --idle-ms 2000 ${timeout}`, options);
    const sent = await vm.agent(`send --application --count ${count} --timeout ${WAIT_S}`, options);
    expect(sent).toMatchObject({ sent: { packets: count }, pending: 0, hostRings: 0 });
    await expect.poll(() => h.packets(port, 'tx')).toBe(count);
    await receiving;
  });
}
