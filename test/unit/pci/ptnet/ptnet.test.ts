// The network device register by register.
import { describe, expect, test } from 'vitest';
import { PTCTL, PTNET, PTNET_REGISTERS } from '../../../../pci/index.ts';
import { read, readBar, readConfig, rejects, write, writeBar, writeConfig } from '../guest.ts';
import { command, makePtnet as make, setCsb } from './make.ts';

const ENXIO = 6;

describe('identity', () => {
  test('is the one drivers match on', () => {
    const { device } = make();
    expect(readConfig(device, 0)).toBe(0x000d1b36);
    expect(readConfig(device, 8)).toBe(0x02000000);
    expect(readConfig(device, 0x3d, 1)).toBe(0);
  });
  test('MSI-X has a vector per ring, its table and PBA in BAR 2', () => {
    const { device } = make();
    expect(device.msixVectors).toBe(5);
    expect(readConfig(device, 0x34, 1)).toBe(0x40);
    expect(readConfig(device, 0x40)).toBe(0x0004_0011);
    expect(readConfig(device, 0x44)).toBe(2);
    expect(readConfig(device, 0x48)).toBe(0x802);
  });
  test('MSI-X enable and function mask are the only writable bits of the capability', () => {
    const { device } = make();
    for (const at of [0x40, 0x44, 0x48]) writeConfig(device, at, 0xffffffff);
    expect(readConfig(device, 0x40)).toBe(0xc004_0011);
    expect(readConfig(device, 0x44)).toBe(2);
    expect(readConfig(device, 0x48)).toBe(0x802);
  });
});

describe('BARs', () => {
  test('registers in I/O space, MSI-X in memory', () => {
    const { bars } = make().device;
    expect(bars).toHaveLength(6);
    expect(bars[0]).toEqual({ kind: 'io', prefetchable: false, size: 256, mapped: false });
    expect(bars[2]).toEqual({ kind: 'mem32', prefetchable: false, size: 4096, mapped: false });
    expect(bars.filter((bar) => bar !== undefined)).toHaveLength(2);
  });
  test('registers in memory on request, a page of it', () => {
    const { device } = make({}, { bar0: 'mem' });
    expect(device.bars[0]).toEqual({ kind: 'mem32', prefetchable: false, size: 4096, mapped: false });
    expect(read(device, PTNET.IO_NUM_RX_RINGS)).toBe(3);
    expect(read(device, 4092)).toBe(0);
    write(device, 256, 1);
    expect(rejects(device)).toEqual({ 'no-register': 1 });
  });
  test('the MSI-X table can be read and written', () => {
    const { device } = make();
    expect(readBar(device, 2, 12)).toBe(1);
    writeBar(device, 2, 16, 0xfee01000);
    expect(readBar(device, 2, 16)).toBe(0xfee01000);
    device.reset();
    expect(readBar(device, 2, 16)).toBe(0);
  });
});

describe('what the port is', () => {
  test.each([
    ['NIFP_OFS', PTNET.IO_NIFP_OFS, 0x1c00],
    ['NUM_TX_RINGS', PTNET.IO_NUM_TX_RINGS, 2],
    ['NUM_RX_RINGS', PTNET.IO_NUM_RX_RINGS, 3],
    ['NUM_TX_SLOTS', PTNET.IO_NUM_TX_SLOTS, 1024],
    ['NUM_RX_SLOTS', PTNET.IO_NUM_RX_SLOTS, 512],
    ['HOSTMEMID', PTNET.IO_HOSTMEMID, 7],
    ['MAC_HI', PTNET.IO_MAC_HI, 0x0211],
    ['MAC_LO', PTNET.IO_MAC_LO, 0xf2334455],
  ])('%s reads its value and refuses writes', (_, offset, value) => {
    const { device } = make();
    write(device, offset, 0xffffffff);
    expect(read(device, offset)).toBe(value);
    expect(rejects(device)).toEqual({ 'read-only': 1 });
  });
  test('the deprecated CSB registers keep nothing and are not counted', () => {
    const { device } = make();
    write(device, PTNET.IO_CSBBAH, 1);
    write(device, PTNET.IO_CSBBAL, 0x1000);
    expect([read(device, PTNET.IO_CSBBAH), read(device, PTNET.IO_CSBBAL)]).toEqual([0, 0]);
    expect(rejects(device)).toEqual({});
  });
  test('the registers are where the public interface has them', () => {
    const offsets = PTNET_REGISTERS.map(([offset]) => offset);
    expect(offsets).toEqual([0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 128]);
  });
});

describe('PTFEAT', () => {
  test('starts with nothing in force', () => {
    expect(read(make().device, PTNET.IO_PTFEAT)).toBe(0);
  });
  test('acknowledges only what is offered', () => {
    const { device, backend } = make({ features: 0x80000001 });
    write(device, PTNET.IO_PTFEAT, 0xfffffffe);
    expect(read(device, PTNET.IO_PTFEAT)).toBe(0x80000000);
    expect(backend.calls).toEqual([`features ${0x80000000}`]);
    expect(rejects(device)).toEqual({});
  });
  test('reads back less than was asked for when the host grants less', () => {
    const { device, backend } = make({ features: 3 });
    backend.setFeatures = (wanted) => wanted & 2;
    write(device, PTNET.IO_PTFEAT, 3);
    expect(read(device, PTNET.IO_PTFEAT)).toBe(2);
  });
  test('a host that grants what it does not offer is broken', () => {
    const { device, backend } = make({ features: 1 });
    backend.setFeatures = () => 4;
    expect(() => write(device, PTNET.IO_PTFEAT, 1)).toThrow('features 0x4 in force, but not all are offered');
  });
});

describe('VNET_HDR_LEN', () => {
  test.each([0, 10, 12])('%i is taken', (length) => {
    const { device, backend } = make();
    write(device, PTNET.IO_VNET_HDR_LEN, length);
    expect(read(device, PTNET.IO_VNET_HDR_LEN)).toBe(length);
    expect(backend.calls).toEqual([`header ${length}`]);
  });
  test.each([1, 11, 13, 0xffffffff])('%i keeps the one in force and is counted', (length) => {
    const { device, backend } = make();
    write(device, PTNET.IO_VNET_HDR_LEN, 12);
    write(device, PTNET.IO_VNET_HDR_LEN, length);
    expect(read(device, PTNET.IO_VNET_HDR_LEN)).toBe(12);
    expect(backend.calls).toEqual(['header 12']);
    expect(rejects(device)).toEqual({ 'vnet-hdr-len': 1 });
  });
  test('reads back the length the host chose', () => {
    const { device, backend } = make();
    backend.fixedHeader = 0;
    write(device, PTNET.IO_VNET_HDR_LEN, 12);
    expect(read(device, PTNET.IO_VNET_HDR_LEN)).toBe(0);
  });
});

test('a part of a register is read by lane, not written, and counted', () => {
  const { device, backend } = make();
  expect(readBar(device, 0, PTNET.IO_MAC_LO + 3, 1)).toBe(0xf2);
  expect(readBar(device, 0, PTNET.IO_MAC_LO + 2, 4)).toBe(0x0211_f233);
  writeBar(device, 0, PTNET.IO_PTCTL, PTCTL.CREATE, 1);
  writeBar(device, 0, PTNET.IO_CSB_GH_BAL, 0x1000, 2);
  expect(read(device, PTNET.IO_PTCTL)).toBe(0);
  expect(backend.calls).toEqual([]);
  expect(rejects(device)).toEqual({ 'partial-write': 2 });
});

describe('reset', () => {
  test('stops serving and forgets everything a driver set', () => {
    const { device, backend } = make();
    write(device, PTNET.IO_PTFEAT, 1);
    write(device, PTNET.IO_VNET_HDR_LEN, 12);
    write(device, PTNET.IO_CSB_GH_BAH, 9);
    setCsb(device);
    command(device, PTCTL.CREATE);
    command(device, 99);
    writeConfig(device, 4, 7, 2);
    writeConfig(device, 0x10, 0xc000);
    writeConfig(device, 0x42, 0x8000, 2);
    backend.calls.length = 0;
    device.reset();
    expect(backend.calls).toEqual(['delete', 'features 0', 'header 0']);
    expect(device.serving).toBe(false);
    const written = PTNET_REGISTERS.filter(([, , mode]) => mode !== 'r').map(([offset]) =>
      read(device, offset),
    );
    expect(written).toEqual(written.map(() => 0));
    expect(readConfig(device, 4, 2)).toBe(0);
    expect(readConfig(device, 0x10)).toBe(1);
    expect(readConfig(device, 0x42, 2)).toBe(4);
    expect(command(device, PTCTL.CREATE)).toBe(ENXIO);
  });
  test('of a device that was never used asks the host for nothing', () => {
    const { device, backend } = make();
    device.reset();
    expect(backend.calls).toEqual([]);
  });
  test('keeps the counters', () => {
    const { device } = make();
    write(device, PTNET.KICK_BASE, 0);
    device.reset();
    expect(rejects(device)).toEqual({ 'kick-not-serving': 1 });
  });
});

describe('what the host must not ask for', () => {
  test.each([
    ['no ring', { numTxRings: 0, numRxRings: 0 }, '0 rings, 1 to 32 have doorbells'],
    ['33 rings', { numTxRings: 16, numRxRings: 17 }, '33 rings'],
    ['a short MAC address', { mac: new Uint8Array(5) }, 'MAC address of 5 octets'],
  ])('%s', (_, info, message) => {
    expect(() => make(info)).toThrow(message);
  });
  test('32 rings are fine', () => {
    const { device, backend } = make({ numTxRings: 16, numRxRings: 16 });
    setCsb(device);
    command(device, PTCTL.CREATE);
    write(device, 252, 0);
    expect(backend.calls).toContain('kick 31');
    expect(device.msixVectors).toBe(32);
  });
});
