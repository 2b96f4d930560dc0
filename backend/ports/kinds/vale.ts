// VALE ports, `valeS:P`: members of a learning switch.

import { SWITCH_PORTS_MAX } from '../../config/limits.ts';
import { alternatives, nearest } from '../../config/nearest.ts';
import type { Complaint, PlacedPort, PortKind } from './kind.ts';

export interface ValeName {
  readonly kind: 'vale';
  readonly switch: string;
  readonly port: string;
}

const NAME = /^vale([0-9A-Za-z_]*):([0-9A-Za-z_.]+)$/;

const switchOf = (name: ValeName): string => `vale${name.switch}`;

export const vale: PortKind<ValeName> = {
  forms: ['valeS:P'],
  parse(text) {
    const parts = NAME.exec(text);
    return parts ? { kind: 'vale', switch: parts[1]!, port: parts[2]! } : undefined;
  },
  format: (name) => `${switchOf(name)}:${name.port}`,
  hint(text) {
    return /^vale[0-9A-Za-z_]*:?$/.test(text)
      ? `'${text}' is a switch without a port: '${text.replace(/:$/, '')}:1' would be right`
      : undefined;
  },

  ownsRxBuffers: true,
  offersVnetHdr: true,
  hasSourceAndSink: false,
  interfaceOf: () => undefined,
  interfaceKeys: () => [],
  parentOf: () => undefined,
  switchOf,
  dependsOn: () => [],
  check(mine, declared) {
    const switches = new Map<string, PlacedPort<ValeName>[]>();
    for (const place of mine) {
      const name = switchOf(place.portName);
      if (declared.length > 0 && !declared.includes(name)) {
        const guess = nearest(name, declared);
        return {
          path: place.portPath,
          text: `there is no switch '${name}' under switches: ${alternatives(guess ? [guess] : declared)} would be right`,
          check: 'switch-name',
        };
      }
      switches.set(name, [...(switches.get(name) ?? []), place]);
    }
    for (const [name, places] of switches) {
      const complaint = checkSwitch(name, places);
      if (complaint) return complaint;
    }
    return undefined;
  },
  create: (name, make) => make.valeSwitch(switchOf(name)).createPort(make.region, make.stats, make.shape),
};

function checkSwitch(name: string, places: readonly PlacedPort<ValeName>[]): Complaint | undefined {
  if (places.length > SWITCH_PORTS_MAX)
    return {
      path: places[SWITCH_PORTS_MAX]!.portPath,
      text: `switch '${name}' has ${places.length} ports: at most ${SWITCH_PORTS_MAX} would be right`,
      check: 'switch-size',
    };
  const owner = new Map<string, PlacedPort<ValeName>>();
  for (const place of places) {
    const other = owner.get(place.device.mac);
    if (other)
      return {
        path: `${place.path}.mac`,
        text: `'${place.device.mac}' is the address of ${other.vmName}'s ${other.device.name} on switch '${name}' already: an address of its own would be right`,
        check: 'mac-unique',
      };
    owner.set(place.device.mac, place);
  }
  return undefined;
}
