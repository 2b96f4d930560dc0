// What a packet generator of a real guest does that knows netmap only: it uses every ring with an offset in netmap_if, and
// ends when all its packets have left.
import { expect } from 'vitest';
import { vmTest } from './vm-test.ts';
import { boot, startHost } from './vms.ts';

const PORTS = [
  { port: 'null:a', rings: 2, peer: undefined, region: '' },
  { port: 'p{1', rings: 1, peer: 'p}1', region: 'region: lan, ' },
  { port: 'vale0:a', rings: 1, peer: 'vale0:b', region: '' },
] as const;

for (const { port, rings, peer, region } of PORTS) {
  vmTest(`${port}: an application's 3,000,000 packets all leave its rings`, async () => {
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
    const receiving = second?.agent('receive --seconds 120 --idle-ms 2000', { timeoutMs: 130_000 });
    const sent = await vm.agent('send --application --count 3000000 --timeout 60');
    expect(sent).toMatchObject({ sent: { packets: 3_000_000 }, pending: 0, hostRings: 0 });
    expect(h.packets(port, 'tx')).toBe(3_000_000);
    await receiving;
  });
}
