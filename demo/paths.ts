// The four paths that the demonstration measures, and the one host that has them all.

import type { HostConfig } from '../backend/config/host-config.ts';
import { parseConfig } from '../backend/config/load.ts';

export type PathName = 'guest-to-host' | 'host-to-guest' | 'guest-to-guest-pipe' | 'guest-to-guest-vale';

export interface DemoPath {
  readonly name: PathName;
  readonly what: string;
  /** Where it is measured: packets with a number in their first cache line. */
  readonly measured: string;
  /** Where every byte is proved: the same, but that a sink looks at all of them. */
  readonly proved: string;
}

export const PATHS: readonly DemoPath[] = [
  {
    name: 'guest-to-host',
    what: 'a guest sends to a null port, whose sink checks what comes',
    measured: 'guest1/out -> host',
    proved: 'guest1/proof -> host',
  },
  {
    name: 'host-to-guest',
    what: 'the source of a null port fills a guest’s ring; the guest checks what comes',
    measured: 'host -> guest1/in',
    proved: 'host -> guest1/in',
  },
  {
    name: 'guest-to-guest-pipe',
    what: 'a netmap pipe: buffers change hands, nothing is copied and nothing can be lost',
    measured: 'guest1/pipe -> guest2/pipe',
    proved: 'guest1/pipe -> guest2/pipe',
  },
  {
    name: 'guest-to-guest-vale',
    what: 'a VALE switch copies; a receiver that is slower than the sender loses packets, as on any switch',
    measured: 'guest1/vale -> guest2/vale',
    proved: 'guest1/vale -> guest2/vale',
  },
];

/** A pipe wants both ends in one region, so the two guests share one. */
const TEXT = `
regions: { demo: { ring-size: 20480, buf-num: 16384 } }
# With fewer CPUs than threads a receiver has to wait for its turn.
switches: { vale0: { patience-us: 20000 } }
ports:
  'null:out': { sink: { verify: true, payload: stamp } }
  'null:proof': { sink: { verify: true } }
vms:
  guest1:
    region: demo
    memory: 256M
    devices:
      - { name: out, port: 'null:out' }
      - { name: proof, port: 'null:proof' }
      - { name: in, port: 'null:in' }
      - { name: pipe, port: 'p{1' }
      - { name: vale, port: 'vale0:1' }
  guest2:
    region: demo
    memory: 256M
    devices:
      - { name: pipe, port: 'p}1' }
      - { name: vale, port: 'vale0:2' }
`;

export const demoConfig = (runDir: string): HostConfig => parseConfig(TEXT, 'demo', { runDir });
