// A program of the guest takes every ring with an offset in netmap_if for one that it may use: what it puts in must leave.
import { expect, test } from 'vitest';
import { Application } from '../../guest-driver/model/index.ts';
import { attach, startHost } from './scene.ts';

const packet = new Uint8Array(60).fill(0xff);
const PATIENCE_MS = 5000;

const KINDS = {
  'null:a': { rings: 3, peer: undefined, region: '' },
  'p{1': { rings: 2, peer: 'p}1', region: 'region: lan, ' },
  'vale0:a': { rings: 1, peer: 'vale0:b', region: '' },
} as const;

for (const [port, { rings, peer, region }] of Object.entries(KINDS)) {
  test(`${port}: what an application puts into every ring that it finds leaves`, async () => {
    const shape = `{ tx-rings: ${rings}, rx-rings: ${rings} }`;
    const host = await startHost(`
regions: { lan: {} }
ports: { '${port}': ${shape}${peer === undefined ? '' : `, '${peer}': ${shape}`} }
vms:
  vm1: { ${region}devices: [{ port: '${port}' }] }
${peer === undefined ? '' : `  vm2: { ${region}devices: [{ port: '${peer}' }] }`}
`);
    const guest = await attach(host, 'vm1');
    if (peer !== undefined) await attach(host, 'vm2');
    const count = rings * 100;
    const application = new Application(guest.ports[0]!);
    expect(await application.send(Array(count).fill(packet), PATIENCE_MS)).toBe(0);
    expect(host.packets(port, 'tx')).toBe(count);
    expect(application.rx).toHaveLength(rings);
  });
}
