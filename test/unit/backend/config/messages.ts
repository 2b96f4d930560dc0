// What the tests of messages about a configuration share: the message, and a file with one device.
import { expect } from 'vitest';
import { parseConfig } from '../../../../backend/config/load.ts';
import { ConfigurationError } from '../../../../backend/errors.ts';

/** @throws when the text is accepted. */
export function messageOf(text: string): string {
  try {
    parseConfig(text, 'f');
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${text}`);
}

/** One VM around a device, with what else the file says. */
export const device = (fields: string, rest = ''): string =>
  `vms: { vm1: { devices: [{ ${fields} }] } }\n${rest}`;
