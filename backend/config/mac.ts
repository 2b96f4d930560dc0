// Ethernet addresses as a configuration writes them, and the ones we make up.
import { quoted } from './quote.ts';

export const MAC_FORM = /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/;

/** What is wrong with `text` as an address (undefined: nothing); a station's own address cannot be multicast. */
export function macProblem(text: string, options: { multicast: boolean }): string | undefined {
  if (!MAC_FORM.test(text)) return `${quoted(text)} is not a MAC address: 02:00:00:00:01:00 would be right`;
  const first = Number.parseInt(text.slice(0, 2), 16);
  if (!options.multicast && first & 1) {
    const unicast = `${(first & ~1).toString(16).padStart(2, '0')}${text.slice(2)}`;
    return `'${text}' is a multicast address: '${unicast}' would be right`;
  }
  if (/^[0:]+$/.test(text)) return `'${text}' is no station's address: 02:00:00:00:01:00 would be right`;
  return undefined;
}

/** Six octets of an address that has been checked. */
export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));
}

/** The address of device `device` (from 0) of VM `vm` (from 1; 0 is the host itself): locally administered. */
export function defaultMac(vm: number, device: number): string {
  const octets = [0x02, 0, 0, (vm >> 8) & 0xff, vm & 0xff, device & 0xff];
  return octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':');
}
