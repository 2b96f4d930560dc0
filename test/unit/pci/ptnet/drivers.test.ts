// The register sequences of the drivers that exist, from probe to unload, as their authors left them.
import { beforeEach, expect, test } from 'vitest';
import { createPtnet, PTCTL, PTNET, type PtnetDevice } from '../../../../pci/index.ts';
import { type FakeBackend, fakeBackend, read, readConfig, rejects, write, writeConfig } from '../guest.ts';

const CSB_PAGE = 0x1_2345_6000n;
const ENXIO = 6;

let backend: FakeBackend;
let device: PtnetDevice;

beforeEach(() => {
  backend = fakeBackend();
  device = createPtnet('vm1/net0', backend);
});

/** Firmware and the kernel's PCI code: size the BARs, place them, switch decoding on. */
function enumerate(): void {
  const bar0 = readConfig(device, 0x10);
  writeConfig(device, 0x10, 0xffffffff);
  expect(readConfig(device, 0x10)).toBe(0xffffff01);
  writeConfig(device, 0x10, bar0);
  writeConfig(device, 0x18, 0xffffffff);
  expect(readConfig(device, 0x18)).toBe(0xfffff000);
  writeConfig(device, 0x10, 0xc100);
  writeConfig(device, 0x18, 0xfebf0000);
  writeConfig(device, 0x04, 0x0007, 2);
}

/** Both drivers: two pages side by side, the high half first. */
function writeCsb(page: bigint): void {
  for (const [high, low, address] of [
    [PTNET.IO_CSB_GH_BAH, PTNET.IO_CSB_GH_BAL, page],
    [PTNET.IO_CSB_HG_BAH, PTNET.IO_CSB_HG_BAL, page === 0n ? 0n : page + 4096n],
  ] as const) {
    write(device, high, Number(address >> 32n));
    write(device, low, Number(address & 0xffff_ffffn));
  }
}

function ptctl(command: number): number {
  write(device, PTNET.IO_PTCTL, command);
  return read(device, PTNET.IO_PTCTL);
}

/** Before every CREATE, and once more when the driver attaches. */
function setHeader(length: number): void {
  write(device, PTNET.IO_VNET_HDR_LEN, length);
  expect(read(device, PTNET.IO_VNET_HDR_LEN)).toBe(length);
}

/** What netmap asks of a driver, as often as it likes. */
function readRings(): number[] {
  return [PTNET.IO_NUM_TX_RINGS, PTNET.IO_NUM_RX_RINGS, PTNET.IO_NUM_TX_SLOTS, PTNET.IO_NUM_RX_SLOTS].map(
    (register) => read(device, register),
  );
}

/** What a driver does between finding the device and bringing it up. */
function attach({ csb = CSB_PAGE, header = 12 } = {}): void {
  const features = header > 0 ? 1 : 0;
  write(device, PTNET.IO_PTFEAT, features);
  expect(read(device, PTNET.IO_PTFEAT)).toBe(features);
  const { info } = backend;
  const [txRings, rxRings] = readRings();
  expect(txRings! + rxRings!).toBe(device.msixVectors);
  writeCsb(csb);
  writeConfig(device, 0x42, readConfig(device, 0x42, 2) | 0x8000, 2);
  const high = read(device, PTNET.IO_MAC_HI);
  const low = read(device, PTNET.IO_MAC_LO);
  const mac = [high >>> 8, high & 0xff, low >>> 24, (low >>> 16) & 0xff, (low >>> 8) & 0xff, low & 0xff];
  expect(mac).toEqual([...info.mac]);
  expect(read(device, PTNET.IO_NIFP_OFS)).toBe(info.nifpOfs);
  expect(read(device, PTNET.IO_HOSTMEMID)).toBe(info.hostMemId);
  expect(readRings()).toEqual([info.numTxRings, info.numRxRings, info.numTxSlots, info.numRxSlots]);
  setHeader(header);
}

function up(header = 12): number {
  setHeader(header);
  return ptctl(PTCTL.CREATE);
}

/** Unload, shutdown and kexec: stop, then take the addresses back. @returns what DELETE answered. */
function shutdown(): number {
  const result = ptctl(PTCTL.DELETE);
  writeCsb(0n);
  return result;
}

/** Unload: the interface is closed, when it was up, after the device was shut down. */
function unload({ wasUp }: { wasUp: boolean }): number[] {
  const results = [shutdown()];
  if (wasUp) results.push(ptctl(PTCTL.DELETE));
  writeConfig(device, 0x42, readConfig(device, 0x42, 2) & 0x7fff, 2);
  writeConfig(device, 0x04, 0x0003, 2);
  return results;
}

test('attach, up, down, up again, detach', () => {
  enumerate();
  attach();
  for (let round = 0; round < 3; round += 1) {
    expect(up()).toBe(0);
    write(device, PTNET.KICK_BASE, 0);
    expect(ptctl(PTCTL.DELETE)).toBe(0);
  }
  shutdown();
  const round = ['header 12', 'create 123456000 123457000', 'kick 0', 'delete'];
  expect(backend.calls).toEqual(['features 1', 'header 12', ...round, ...round, ...round]);
  // The drivers send DELETE on unload whether or not the device is up.
  expect(rejects(device)).toEqual({ 'delete-not-serving': 1 });
});

test('unload while up stops once, and the DELETE of the interface that closes is too late', () => {
  enumerate();
  attach();
  up();
  expect(unload({ wasUp: true })).toEqual([0, ENXIO]);
  expect(backend.calls.filter((call) => call === 'delete')).toHaveLength(1);
  expect(rejects(device)).toEqual({ 'delete-not-serving': 1 });
  expect(ptctl(PTCTL.CREATE)).toBe(ENXIO);
});

test('unload of a port that never started, and load again with the CSB elsewhere', () => {
  enumerate();
  attach();
  expect(unload({ wasUp: false })).toEqual([ENXIO]);
  expect(backend.calls).toEqual(['features 1', 'header 12']);
  backend.calls.length = 0;
  writeConfig(device, 0x04, 0x0007, 2);
  attach({ csb: 0x7654_3000n });
  expect(up()).toBe(0);
  expect(backend.calls).toEqual(['features 1', 'header 12', 'header 12', 'create 76543000 76544000']);
});

test('load without virtio-net headers after a driver that had them', () => {
  attach();
  up();
  unload({ wasUp: true });
  backend.calls.length = 0;
  attach({ header: 0 });
  expect(up(0)).toBe(0);
  expect(backend.calls).toEqual([
    'features 0',
    'header 0',
    'header 0',
    'header 0',
    'create 123456000 123457000',
  ]);
});

test('four rings each way: a vector and a doorbell for each, TX first', () => {
  backend = fakeBackend({ numTxRings: 4, numRxRings: 4 });
  device = createPtnet('vm1/net0', backend);
  enumerate();
  expect(device.msixVectors).toBe(8);
  expect(readConfig(device, 0x42, 2) & 0x7ff).toBe(7);
  attach();
  up();
  backend.calls.length = 0;
  for (const ring of [0, 3, 4, 7]) write(device, PTNET.KICK_BASE + 4 * ring, 0);
  expect(backend.calls).toEqual(['kick 0', 'kick 3', 'kick 4', 'kick 7']);
  expect(rejects(device)).toEqual({});
});

test('kexec without shutdown: the new kernel attaches to a device that still serves the old one', () => {
  enumerate();
  attach();
  ptctl(PTCTL.CREATE);
  backend.calls.length = 0;
  enumerate();
  expect(device.serving).toBe(true);
  attach();
  expect(device.serving).toBe(false);
  expect(ptctl(PTCTL.CREATE)).toBe(0);
  expect(backend.calls).toEqual(['features 1', 'delete', 'header 12', 'create 123456000 123457000']);
});

test('reboot: reset, then everything from the start', () => {
  enumerate();
  attach();
  ptctl(PTCTL.CREATE);
  device.reset();
  expect(readConfig(device, 0x42, 2)).toBe(4);
  backend.calls.length = 0;
  enumerate();
  attach();
  expect(ptctl(PTCTL.CREATE)).toBe(0);
  expect(backend.calls).toEqual(['features 1', 'header 12', 'create 123456000 123457000']);
});

test('a driver that asks for a header where none is offered reads that there is none', () => {
  backend = fakeBackend({ features: 0 });
  backend.fixedHeader = 0;
  device = createPtnet('vm1/net0', backend);
  write(device, PTNET.IO_PTFEAT, 1);
  expect(read(device, PTNET.IO_PTFEAT)).toBe(0);
  write(device, PTNET.IO_VNET_HDR_LEN, 12);
  expect(read(device, PTNET.IO_VNET_HDR_LEN)).toBe(0);
});

test('a 32-bit guest that writes no high halves after one that did gets its own addresses', () => {
  attach();
  shutdown();
  write(device, PTNET.IO_CSB_GH_BAL, 0x7000);
  write(device, PTNET.IO_CSB_HG_BAL, 0x8000);
  backend.calls.length = 0;
  expect(ptctl(PTCTL.CREATE)).toBe(0);
  expect(backend.calls).toEqual(['create 7000 8000']);
});
