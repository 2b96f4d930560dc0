// Two VMs on a switch, from a file: starts its host, prints how QEMU attaches to it, and counts packets until Ctrl-C.
//
//   node two-vms.mjs ../vale.yaml
import { once } from 'node:events';
import { ConfigurationError, Host, loadConfig } from 'ptnetmap';

const [file = new URL('../vale.yaml', import.meta.url).pathname, runDir] = process.argv.slice(2);

try {
  const host = await Host.start(loadConfig(file, runDir ? { runDir } : {}));
  for (const { name, devices } of host.vms)
    console.log(JSON.stringify({ vm: name, sockets: devices.map(({ socketPath }) => socketPath) }));
  await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
  for (const { name, rings } of host.stats().ports)
    console.log(
      JSON.stringify({ port: name, packets: rings.reduce((sum, { packets }) => sum + packets, 0) }),
    );
  await host.close();
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
