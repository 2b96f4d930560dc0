// `ptnet set`: changes keys of a thing that runs, with the configuration file's own keys and values.
import { resolve } from 'node:path';
import { alternatives, nearest } from '../../config/nearest.ts';
import type { Json, JsonObject } from '../../control/edits.ts';
import { type ControlClient, ControlError } from '../../control/index.ts';
import { ConfigurationError } from '../../errors.ts';
import type { Io } from '../io.ts';
import { assignments } from './assignments.ts';
import { asked, type ChangeFlags, tell } from './change.ts';

const HOST = 'host';
/** Keys of the host, by their names in the API. */
const HOST_KEYS: Readonly<Record<string, string>> = {
  policy: 'policy',
  'spin-us': 'spinUs',
  'log-level': 'logLevel',
};

const encode = encodeURIComponent;

export async function set(
  client: ControlClient,
  name: string,
  words: readonly string[],
  flags: ChangeFlags,
  io: Io,
): Promise<void> {
  const patch = withAbsolutePlugin(assignments(words));
  const path = await pathOf(client, name);
  const body: Json = name === HOST ? hostPatch(patch) : patch;
  tell(await client.change('PATCH', path, body, asked(flags)), flags, io);
}

/** The host works somewhere else. */
function withAbsolutePlugin(patch: JsonObject): JsonObject {
  const { lookup } = patch;
  if (typeof lookup !== 'object' || lookup === null || Array.isArray(lookup)) return patch;
  const { plugin } = lookup;
  return typeof plugin === 'string' ? { ...patch, lookup: { ...lookup, plugin: resolve(plugin) } } : patch;
}

function hostPatch(patch: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(patch).map(([key, value]) => {
      const known = HOST_KEYS[key];
      if (known !== undefined) return [known, value];
      const guess = nearest(key, Object.keys(HOST_KEYS));
      const right = alternatives(guess ? [guess] : Object.keys(HOST_KEYS));
      throw new ConfigurationError(`host: unknown key '${key}': ${right} would be right`);
    }),
  );
}

/** Where the API has it. */
async function pathOf(client: ControlClient, name: string): Promise<string> {
  if (name === HOST) return '/v1/host';
  const [vms, ports, members, switches] = await Promise.all([
    client.vms(),
    client.ports(),
    client.members(),
    client.switches(),
  ]);
  const devices = vms.flatMap((vm) =>
    vm.devices
      .filter(({ kind }) => kind === 'ptnet')
      .map(
        ({ name: device }) =>
          [`${vm.name}/${device}`, `/v1/vms/${encode(vm.name)}/devices/${encode(device)}`] as const,
      ),
  );
  const paths = new Map([
    ...devices,
    ...[...ports, ...members].map((port) => [port.name, `/v1/ports/${encode(port.name)}`] as const),
    ...switches.map((vale) => [vale.name, `/v1/switches/${encode(vale.name)}`] as const),
  ]);
  const path = paths.get(name);
  if (path !== undefined) return path;
  const names = [HOST, ...paths.keys()];
  const guess = nearest(name, names);
  throw new ControlError(
    `there is no device, port or switch '${name}' in this host: ${alternatives(guess ? [guess] : names)} would be right`,
  );
}
