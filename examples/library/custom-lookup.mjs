// A switch whose lookup function is your own: the firewall of examples/firewall, with other rules at each SIGUSR2, without losing a packet.
//
//   make -C ../firewall
//   node custom-lookup.mjs ../firewall/build/firewall.so /tmp/ptnetmap
import { once } from 'node:events';
import { resolve } from 'node:path';
import { configFrom, Host } from 'ptnetmap';

const [plugin = '../firewall/build/firewall.so', runDir = '/tmp/ptnetmap'] = process.argv.slice(2);
const RULES = ['pass arp\npass tcp to any port 80', 'pass all'];

const host = await Host.start(
  configFrom({
    'run-dir': runDir,
    switches: { vale0: { lookup: { plugin, options: RULES[0] } } },
    vms: { web: { devices: [{ port: 'vale0:web' }] }, client: { devices: [{ port: 'vale0:client' }] } },
  }),
);

let rules = 0;
process.on('SIGUSR2', () => {
  rules = 1 - rules;
  host.setLookup('vale0', { kind: 'plugin', path: resolve(plugin), options: RULES[rules] });
  console.log(JSON.stringify({ rules: RULES[rules] }));
});
for (const { name, devices } of host.vms)
  console.log(JSON.stringify({ vm: name, sockets: devices.map(({ socketPath }) => socketPath) }));
await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
await host.close();
