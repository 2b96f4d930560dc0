// Config space: header, writable bits, BAR sizing, capability list.
import { describe, expect, test } from 'vitest';
import { ioBar, memoryBar } from '../../../pci/bars.ts';
import { type Capability, CONFIG, ConfigSpace } from '../../../pci/config-space.ts';
import { Rejects } from '../../../pci/rejects.ts';
import { readConfig, writeConfig } from './guest.ts';

const identity = {
  vendorId: 0x1b36,
  deviceId: 0x000d,
  classCode: 0x020000,
  revision: 3,
  subsystemVendorId: 0x1af4,
  subsystemId: 0x1100,
};
const capability = (id: number, length: number): Capability => ({
  bytes: Uint8Array.from({ length }, (_, i) => (i === 0 ? id : 0x77)),
  writable: new Uint8Array(length),
});
const bars = [
  ioBar(256),
  memoryBar('mem64', 2 ** 33, { prefetchable: true }),
  undefined,
  memoryBar('mem32', 4096),
];
const make = (capabilities: Capability[] = []) => ({
  config: new ConfigSpace({ identity, bars, capabilities }),
});

describe('the header', () => {
  test.each([
    ['vendor', CONFIG.VENDOR_ID, 2, 0x1b36],
    ['device', CONFIG.DEVICE_ID, 2, 0x000d],
    ['command', CONFIG.COMMAND, 2, 0],
    ['status', CONFIG.STATUS, 2, 0],
    ['revision', CONFIG.REVISION, 1, 3],
    ['class', CONFIG.CLASS, 3, 0x020000],
    ['header type', CONFIG.HEADER_TYPE, 1, 0],
    ['subsystem vendor', CONFIG.SUBSYSTEM_VENDOR_ID, 2, 0x1af4],
    ['subsystem', CONFIG.SUBSYSTEM_ID, 2, 0x1100],
    ['ROM', CONFIG.ROM, 4, 0],
    ['capability pointer', CONFIG.CAPABILITIES, 1, 0],
    ['interrupt pin', CONFIG.INTERRUPT_PIN, 1, 0],
  ])('%s', (_, offset, length, value) => {
    expect(readConfig(make(), offset, length)).toBe(value);
  });
  test('reads of any width see the same bytes', () => {
    const device = make();
    expect(readConfig(device, 1, 2)).toBe(0x0d1b);
    expect(readConfig(device, 3, 6)).toBe(0x03_0000_0000_00);
  });
});

describe('the command register', () => {
  test('keeps I/O, memory, bus master and INTx disable, nothing else', () => {
    const device = make();
    writeConfig(device, CONFIG.COMMAND, 0xffff, 2);
    expect(device.config.command).toBe(0x0407);
  });
  test('a byte write changes that byte only', () => {
    const device = make();
    writeConfig(device, CONFIG.COMMAND, 0x0406, 2);
    writeConfig(device, CONFIG.COMMAND + 1, 0, 1);
    expect(device.config.command).toBe(0x0006);
  });
  test('a write across command and status leaves status alone', () => {
    const device = make([capability(9, 4)]);
    writeConfig(device, CONFIG.COMMAND, 0xffff_0007);
    expect(readConfig(device, CONFIG.COMMAND)).toBe(0x0010_0007);
  });
});

describe('BAR sizing', () => {
  test('all ones read back as the size and the kind', () => {
    const device = make();
    for (const bar of [0, 1, 2, 3, 4, 5]) writeConfig(device, CONFIG.BAR0 + 4 * bar, 0xffffffff);
    const read = [0, 1, 2, 3, 4, 5].map((bar) => readConfig(device, CONFIG.BAR0 + 4 * bar));
    expect(read).toEqual([0xffffff01, 0x0000000c, 0xfffffffe, 0xfffff000, 0, 0]);
  });
  test('an address is kept in its writable bits', () => {
    const device = make();
    writeConfig(device, CONFIG.BAR0, 0xc1f3);
    writeConfig(device, CONFIG.BAR0 + 4, 0xfe123456);
    writeConfig(device, CONFIG.BAR0 + 8, 0x43);
    expect(readConfig(device, CONFIG.BAR0)).toBe(0xc101);
    expect(readConfig(device, CONFIG.BAR0 + 4, 8)).toBe(0x42_0000000c);
  });
  test('the ROM has no size', () => {
    const device = make();
    writeConfig(device, CONFIG.ROM, 0xffffffff);
    expect(readConfig(device, CONFIG.ROM)).toBe(0);
  });
  test('a 64-bit BAR needs the next slot', () => {
    const wide = memoryBar('mem64', 4096);
    const last = [undefined, undefined, undefined, undefined, undefined, wide];
    expect(() => new ConfigSpace({ identity, bars: last })).toThrow(
      'BAR 5: a 64-bit BAR needs the next slot',
    );
    expect(() => new ConfigSpace({ identity, bars: [wide, wide] })).toThrow('BAR 1: taken by the upper half');
  });
  test('there are six BARs', () => {
    expect(() => new ConfigSpace({ identity, bars: new Array(7).fill(undefined) })).toThrow('7 BARs');
  });
});

describe('the capability list', () => {
  test('links capabilities at multiples of four, the last to 0', () => {
    const device = make([capability(9, 6), capability(0x11, 12)]);
    expect(readConfig(device, CONFIG.STATUS, 2)).toBe(0x10);
    expect(readConfig(device, CONFIG.CAPABILITIES, 1)).toBe(0x40);
    expect(readConfig(device, 0x40, 2)).toBe(0x4809);
    expect(readConfig(device, 0x48, 2)).toBe(0x0011);
  });
  test('is not writable in its links, whatever a capability says of its own bytes', () => {
    const device = make([{ bytes: Uint8Array.of(9, 0, 0, 0), writable: new Uint8Array(4).fill(0xff) }]);
    writeConfig(device, 0x34, 0xffffffff);
    writeConfig(device, 0x40, 0xffffffff);
    expect(readConfig(device, 0x34)).toBe(0x40);
    expect(readConfig(device, 0x40)).toBe(0xffff00ff);
  });
  test('must fit', () => {
    expect(() => make([capability(9, 193)])).toThrow('does not fit config space');
    expect(() => make([{ bytes: new Uint8Array(4), writable: new Uint8Array(3) }])).toThrow(
      'differ in length',
    );
  });
});

describe('the edges', () => {
  const rejects = new Rejects();
  const config = new ConfigSpace({ identity, bars, rejects });
  test('reads that do not lie inside are 0 and counted', () => {
    const bytes = new Uint8Array(4).fill(0xa5);
    config.read(254, bytes);
    expect([...bytes]).toEqual([0, 0, 0, 0]);
    config.read(252, bytes.fill(0xa5));
    expect([...bytes]).toEqual([0, 0, 0, 0]);
    config.read(-1, bytes);
    expect(rejects.counters['beyond-region']).toBe(2);
  });
  test('writes that do not lie inside change nothing and are counted', () => {
    config.write(CONFIG.COMMAND, new Uint8Array(253).fill(0xff));
    expect(config.command).toBe(0);
    expect(rejects.counters['beyond-region']).toBe(3);
  });
  test('reset brings back what was there', () => {
    const device = make();
    const before = new Uint8Array(256);
    device.config.read(0, before);
    device.config.write(0, new Uint8Array(256).fill(0xff));
    device.config.reset();
    const after = new Uint8Array(256);
    device.config.read(0, after);
    expect(after).toEqual(before);
  });
});
