// What the tests of messages about a configuration share: the message, and a file with one device.
import { expect } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import type { NumaNodes } from '../../../../backend/config/numa-nodes.ts';
import { ConfigurationError } from '../../../../backend/errors.ts';

/** The first mistake, without the place where it stands. @throws when the text is accepted. */
export const messageOf = (text: string, nodes?: NumaNodes): string =>
  `f: ${errorOf(text, nodes).problems[0]}`;

/** @throws when the text is accepted. */
export function errorOf(text: string, nodes?: NumaNodes): ConfigurationError {
  try {
    parseConfig(text, 'f', {}, nodes);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return error as ConfigurationError;
  }
  throw new Error(`accepted: ${text}`);
}

/** One VM around a device, with what else the file says. */
export const device = (fields: string, rest = ''): string =>
  `vms: { vm1: { devices: [{ ${fields} }] } }\n${rest}`;

/** VMs called vm1, vm2 ... each given as the text of its mapping. */
export const vms = (texts: string[], rest = ''): string =>
  `${rest}\nvms:\n${texts.map((text, i) => `  vm${i + 1}: { ${text} }`).join('\n')}`;
/** The devices of one of them. */
export const devices = (...ports: string[]): string =>
  `devices: [${ports.map((p) => `{ port: '${p}' }`).join(', ')}]`;
