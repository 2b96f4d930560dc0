// Registers and config space as text, for logs, bug reports and documentation.
import { CONFIG_SPACE_SIZE } from './config-space.ts';
import type { PciDevice, RegisterDevice } from './device.ts';
import { REGISTER_BYTES, type Register } from './registers.ts';

const LINE_BYTES = 16;
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** A register table as a markdown table. */
export function describeRegisters(table: readonly Register[]): string {
  const rows = table.map(
    ([offset, name, mode, meaning]) => `| ${offset} | \`${name}\` | ${mode} | ${meaning} |`,
  );
  return ['| offset | register | access | meaning |', '| ---: | --- | --- | --- |', ...rows, ''].join('\n');
}

/** A device's registers with their present values, one line each. */
export function dumpRegisters(device: RegisterDevice): string {
  const bytes = new Uint8Array(REGISTER_BYTES);
  const width = Math.max(...device.registers.map(([, name]) => name.length));
  const rows = device.registers.map(([offset, name, mode, meaning]) => {
    device.readBar(0, offset, bytes);
    const value = new DataView(bytes.buffer).getUint32(0, true);
    return `0x${hex(offset, 2)} ${name.padEnd(width)} ${mode.padEnd(2)} 0x${hex(value, 8)}  ${meaning}`;
  });
  return [device.name, ...rows, ''].join('\n');
}

/** Config space in the shape of `lspci -xxx`, which `lspci -F` reads back; `address` is bus:device.function. */
export function dumpConfig(device: PciDevice, address = '00:00.0'): string {
  const bytes = new Uint8Array(CONFIG_SPACE_SIZE);
  device.config.read(0, bytes);
  const lines = [`${address} ${device.name}`];
  for (let at = 0; at < CONFIG_SPACE_SIZE; at += LINE_BYTES) {
    const line = Array.from(bytes.subarray(at, at + LINE_BYTES), (byte) => hex(byte, 2));
    lines.push(`${hex(at, 2)}: ${line.join(' ')}`);
  }
  return [...lines, ''].join('\n');
}
