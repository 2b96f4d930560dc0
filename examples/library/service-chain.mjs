// A service chain: what enters at the first VM passes through each of the others, over a pipe to the next, without a copy by the host.
//
//   node service-chain.mjs /tmp/ptnetmap ingress firewall balancer egress
import { once } from 'node:events';
import { configFrom, Host } from 'ptnetmap';

const [runDir = '/tmp/ptnetmap', ...names] = process.argv.slice(2);
const chain = names.length > 0 ? names : ['ingress', 'firewall', 'egress'];

/** Pipe k leads from VM k to the next one: `c1{1` is its near end, `c1}1` the far one. */
const devices = (k) => [
  ...(k > 0 ? [{ name: 'in', port: `c${k - 1}}1` }] : []),
  ...(k < chain.length - 1 ? [{ name: 'out', port: `c${k}{1` }] : []),
];

const config = configFrom({
  'run-dir': runDir,
  // Buffers change hands, so all of them see one region, and trust each other with it.
  regions: { chain: { 'buf-num': 16384 } },
  vms: Object.fromEntries(chain.map((vm, k) => [vm, { region: 'chain', devices: devices(k) }])),
});

const host = await Host.start(config);
for (const { name, devices } of host.vms)
  console.log(JSON.stringify({ vm: name, sockets: devices.map(({ socketPath }) => socketPath) }));
await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
await host.close();
