// A host that no file describes: a program that knows its tenants makes as many VMs as there are, each limited to what was paid for.
//
//   node without-a-file.mjs /tmp/ptnetmap
import { once } from 'node:events';
import { configFrom, configWarnings, createLogger, Host } from 'ptnetmap';

const [runDir = '/tmp/ptnetmap'] = process.argv.slice(2);
const tenants = [
  { name: 'red', rate: '1Gbit' },
  { name: 'green', rate: '100Mbit' },
  { name: 'blue', rate: '100Mbit' },
];

const config = configFrom(
  {
    'run-dir': runDir,
    engine: { workers: 2 },
    ports: Object.fromEntries(tenants.map(({ name, rate }) => [`vale0:${name}`, { rate }])),
    vms: Object.fromEntries(tenants.map(({ name }) => [name, { devices: [{ port: `vale0:${name}` }] }])),
  },
  'tenants',
);
for (const warning of configWarnings(config)) console.error(`warning: ${warning}`);

const host = await Host.start(config, { log: createLogger('warn') });
for (const { name, devices } of host.vms)
  console.log(JSON.stringify({ vm: name, sockets: devices.map(({ socketPath }) => socketPath) }));
await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
await host.close();
