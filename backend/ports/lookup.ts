// Gives a switch the lookup function that a configuration names.
import type { Lookup, ValeSwitch } from '../../native/ports.ts';
import type { LookupConfig } from '../config/host-config.ts';
import { macBytes } from '../config/mac.ts';
import { ConfigurationError } from '../errors.ts';

function toLookup(config: LookupConfig): Lookup {
  switch (config.kind) {
    case 'static':
      return {
        kind: 'static',
        stations: [...config.stations].map(([mac, port]) => ({ mac: macBytes(mac), port })),
        flood: config.unknown === 'flood',
      };
    case 'isolated':
      return {
        kind: 'isolated',
        promiscuous: config.promiscuous,
        communities: [...config.communities.values()],
      };
    default:
      return config;
  }
}

/** @throws ConfigurationError naming the switch, and for a plug-in its file; then nothing has changed. */
export function setLookup(vale: ValeSwitch, config: LookupConfig): void {
  try {
    vale.setLookup(toLookup(config));
  } catch (error) {
    throw new ConfigurationError(`${vale.name}: lookup: ${(error as Error).message}`, { cause: error });
  }
}
