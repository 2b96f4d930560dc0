// The register sequences of the drivers that exist, from probe to unload, as their authors left them.
import { beforeEach, expect, test } from 'vitest';
import { createPtnet, PTCTL, PTNET, type PtnetDevice } from '../../../../pci/index.ts';
import { type FakeBackend, fakeBackend, read, readConfig, rejects, write, writeConfig } from '../guest.ts';

const CSB_PAGE = 0x1_2345_6000n;

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

/** What a driver does between finding the device and bringing it up. */
function attach(): void {
  write(device, PTNET.IO_PTFEAT, 1);
  read(device, PTNET.IO_PTFEAT);
  expect(read(device, PTNET.IO_NUM_TX_RINGS) + read(device, PTNET.IO_NUM_RX_RINGS)).toBe(device.msixVectors);
  writeCsb(CSB_PAGE);
  writeConfig(device, 0x42, readConfig(device, 0x42, 2) | 0x8000, 2);
  const high = read(device, PTNET.IO_MAC_HI);
  const low = read(device, PTNET.IO_MAC_LO);
  const mac = [high >>> 8, high & 0xff, low >>> 24, (low >>> 16) & 0xff, (low >>> 8) & 0xff, low & 0xff];
  expect(mac).toEqual([...backend.info.mac]);
  write(device, PTNET.IO_VNET_HDR_LEN, 12);
}

/** Unload, shutdown and kexec: stop, then take the addresses back. */
function shutdown(): void {
  ptctl(PTCTL.DELETE);
  writeCsb(0n);
}

test('attach, up, down, up again, detach', () => {
  enumerate();
  attach();
  for (let round = 0; round < 3; round += 1) {
    expect(ptctl(PTCTL.CREATE)).toBe(0);
    write(device, PTNET.KICK_BASE, 0);
    expect(ptctl(PTCTL.DELETE)).toBe(0);
  }
  shutdown();
  const round = ['create 123456000 123457000', 'kick 0', 'delete'];
  expect(backend.calls).toEqual(['features 1', 'header 12', ...round, ...round, ...round]);
  // The drivers send DELETE on unload whether or not the device is up.
  expect(rejects(device)).toEqual({ 'delete-not-serving': 1 });
});

test('detach while up stops once', () => {
  enumerate();
  attach();
  ptctl(PTCTL.CREATE);
  shutdown();
  expect(backend.calls.filter((call) => call === 'delete')).toHaveLength(1);
  expect(rejects(device)).toEqual({});
  expect(ptctl(PTCTL.CREATE)).toBe(6);
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
