// The four paths that the demonstration measures, and the one host that has them all.

import type { HostConfig } from '../backend/config/host-config.ts';
import { parseConfig } from '../backend/config/load.ts';

export type PathName = 'guest-to-host' | 'host-to-guest' | 'guest-to-guest-pipe' | 'guest-to-guest-vale';

/** A device of a guest: the VM, the place in its list of devices, and the port behind it. */
export interface End {
  readonly vm: string;
  readonly device: number;
  readonly port: string;
}

export interface Path {
  readonly name: PathName;
  readonly what: string;
  /** The guest's end that packets leave from; undefined: the host's source. */
  readonly from?: End;
  /** The guest's end that packets come to; undefined: the host's sink. */
  readonly to?: End;
  /** A switch on the way has to learn where the receiver is, or it sends to everybody. */
  readonly learned?: boolean;
}

const PORTS: Readonly<Record<string, readonly string[]>> = {
  guest1: ['null:out', 'null:in', 'p{1', 'vale0:1'],
  guest2: ['p}1', 'vale0:2'],
};

function end(port: string): End {
  const [vm, ports] = Object.entries(PORTS).find(([, names]) => names.includes(port))!;
  return { vm, device: ports.indexOf(port), port };
}

export const PATHS: readonly Path[] = [
  {
    name: 'guest-to-host',
    what: 'a guest sends to a null port, whose sink checks every byte',
    from: end('null:out'),
  },
  {
    name: 'host-to-guest',
    what: 'the source of a null port fills a guest’s ring; the guest checks every byte',
    to: end('null:in'),
  },
  {
    name: 'guest-to-guest-pipe',
    what: 'a netmap pipe: buffers change hands, nothing is copied and nothing can be lost',
    from: end('p{1'),
    to: end('p}1'),
  },
  {
    name: 'guest-to-guest-vale',
    learned: true,
    what: 'a VALE switch copies; a receiver that is slower than the sender loses packets, as on any switch',
    from: end('vale0:1'),
    to: end('vale0:2'),
  },
];

/** A pipe wants both ends in one region, so the two guests share one. */
export function demoConfig(runDir: string): HostConfig {
  const vms = Object.entries(PORTS).map(([vm, ports]) => {
    const devices = ports.map((port) => `{ port: '${port}' }`).join(', ');
    return `  ${vm}: { region: demo, memory: 256M, devices: [${devices}] }`;
  });
  const text = `
regions: { demo: { ring-size: 20480, buf-num: 16384 } }
# With fewer CPUs than threads a receiver has to wait for its turn.
switches: { vale0: { patience-us: 20000 } }
ports:
  'null:out': { sink: { verify: true } }
  'null:in': { source: { packets: unlimited, payload: full } }
vms:
${vms.join('\n')}
`;
  return parseConfig(text, 'demo', { runDir });
}
