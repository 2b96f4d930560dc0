// Dumps: registers with their values, config space as lspci prints it, tables as markdown.
import { expect, test } from 'vitest';
import { createPtnet, describeRegisters, dumpConfig, dumpRegisters, PTNET } from '../../../pci/index.ts';
import { fakeBackend, write, writeConfig } from './guest.ts';

const device = () => createPtnet('vm1/net0', fakeBackend());

test('registers with their present values', () => {
  const net = device();
  write(net, PTNET.IO_CSB_GH_BAL, 0x1000);
  const lines = dumpRegisters(net).split('\n');
  expect(lines[0]).toBe('vm1/net0');
  expect(lines[3]).toBe(
    '0x08 PTNET_IO_MAC_LO       r  0xf2334455  last four octets of the MAC address, the first of them in the high byte',
  );
  expect(lines.find((line) => line.includes('CSB_GH_BAL'))).toMatch(
    /^0x38 PTNET_IO_CSB_GH_BAL +w +0x00001000 /,
  );
  expect(lines).toHaveLength(1 + 18 + 1);
});

/** Reads a dump the way `lspci -F` does: a slot line, then lines of 16 bytes that follow on each other. */
function parseDump(text: string): { slot: string; bytes: number[] } {
  const [slotLine, ...lines] = text.trimEnd().split('\n');
  const slot = /^([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\s/.exec(slotLine!);
  expect(slot).not.toBeNull();
  const bytes: number[] = [];
  for (const line of lines) {
    const match = /^([0-9a-f]{2}):((?: [0-9a-f]{2}){16})$/.exec(line);
    expect(match, line).not.toBeNull();
    expect(Number.parseInt(match![1]!, 16)).toBe(bytes.length);
    for (const byte of match![2]!.trim().split(' ')) bytes.push(Number.parseInt(byte, 16));
  }
  return { slot: slot![1]!, bytes };
}

test('config space in the shape of lspci, byte for byte', () => {
  const net = device();
  writeConfig(net, 4, 7, 2);
  const { slot, bytes } = parseDump(dumpConfig(net, '00:04.0'));
  const expected = new Uint8Array(256);
  net.config.read(0, expected);
  expect(slot).toBe('00:04.0');
  expect(bytes).toEqual([...expected]);
  expect(bytes.slice(0, 8)).toEqual([0x36, 0x1b, 0x0d, 0, 7, 0, 0x10, 0]);
});

test('a register table as markdown', () => {
  expect(describeRegisters([[4, 'X_IO_A', 'rw', 'a thing']])).toBe(
    '| offset | register | access | meaning |\n| ---: | --- | --- | --- |\n| 4 | `X_IO_A` | rw | a thing |\n',
  );
});
