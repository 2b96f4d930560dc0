// A whole session as QEMU's vfio-user-pci client drives it, from VERSION to the guest that enables MSI-X.
import { expect, test } from 'vitest';
import {
  decodeDeviceInfo,
  decodeIrqInfo,
  decodeRegionAccess,
  decodeRegionInfo,
  decodeVersion,
  encodeDeviceInfo,
  encodeDmaMap,
  encodeDmaUnmap,
  encodeIrqInfo,
  encodeRegionAccess,
  encodeRegionInfo,
  encodeSetIrqs,
  encodeVersion,
} from '../../guest-driver/model/messages.ts';
import { PTCTL, PTNET } from '../../pci/index.ts';
import { E, type Peer, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();
const CONFIG = 7;
const RAM = 0x40_0000n;

const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

function read(peer: Peer, region: number, offset: number, count: number): number {
  const payload = encodeRegionAccess({ region, offset: BigInt(offset), count });
  const { data } = decodeRegionAccess(peer.send(VFIO_USER.REGION_READ, payload).payload);
  return data.reduceRight((value, byte) => value * 256 + byte, 0);
}

function write(peer: Peer, region: number, offset: number, data: Uint8Array): void {
  const payload = encodeRegionAccess({ region, offset: BigInt(offset), count: data.length }, data);
  peer.send(VFIO_USER.REGION_WRITE, payload);
}

function realize(peer: Peer): void {
  const capabilities = { max_msg_fds: 8, max_data_xfer_size: 1048576, pgsizes: 4096, max_dma_maps: 65535 };
  const version = encodeVersion({ major: 0, minor: 0, capabilities });
  const reply = decodeVersion(peer.send(VFIO_USER.VERSION, version).payload);
  expect(reply).toMatchObject({ major: 0, minor: 0 });
  const info = decodeDeviceInfo(peer.send(VFIO_USER.DEVICE_GET_INFO, encodeDeviceInfo()).payload);
  expect(info.numRegions).toBe(9);
  for (let index = 0; index < info.numRegions; index += 1) {
    const region = decodeRegionInfo(peer.send(VFIO_USER.GET_REGION_INFO, encodeRegionInfo(index)).payload);
    expect(region).toMatchObject({ index, argsz: 32 });
  }
  // The error interrupt first, to see whether there is one.
  for (const index of [3, 2, 4, 0, 1]) {
    expect(decodeIrqInfo(peer.send(VFIO_USER.GET_IRQ_INFO, encodeIrqInfo(index)).payload).index).toBe(index);
  }
  // All of config space, then the capability list.
  expect(read(peer, CONFIG, 0, 4)).toBe(0x000d_1b36);
  const msix = read(peer, CONFIG, 0x34, 1);
  expect(read(peer, CONFIG, msix, 1)).toBe(0x11);
  expect((read(peer, CONFIG, msix + 2, 2) & 0x7ff) + 1).toBe(5);
  for (const index of [3, 4]) irqs(peer, { index, flags: 4 | 32, count: 1 }, 1);
  peer.send(VFIO_USER.DEVICE_RESET);
}

function irqs(
  peer: Peer,
  request: { index?: number; flags: number; count: number },
  descriptors: number,
): void {
  const fds = Array.from({ length: descriptors }, () => fixture.eventfd());
  peer.send(VFIO_USER.SET_IRQS, encodeSetIrqs({ index: 2, start: 0, ...request }), { fds });
}

/** RAM in pieces around the hole below 1 MiB, then BARs of other devices as firmware moves them about. */
function placeMemory(peer: Peer, ram: number): void {
  const pieces = [
    { address: 0n, size: 0xa_0000n, offset: 0n },
    { address: 0xc_0000n, size: 0x1_0000n, offset: 0xc_0000n, flags: 1 },
    { address: 0x10_0000n, size: RAM - 0x10_0000n, offset: 0x10_0000n },
  ];
  for (const piece of pieces) peer.send(VFIO_USER.DMA_MAP, encodeDmaMap(piece), { fds: [ram] });
  for (const address of [0xfd00_0000n, 0xfe00_0000n, 0xfd00_0000n]) {
    const bar = { address, size: 0x100_0000n };
    peer.send(VFIO_USER.DMA_MAP, encodeDmaMap(bar));
    const { payload } = peer.send(VFIO_USER.DMA_UNMAP, encodeDmaUnmap(bar));
    expect(payload).toEqual(encodeDmaUnmap(bar));
  }
  expect(peer.session.dma.maps).toHaveLength(3);
}

function loadDriver(peer: Peer): void {
  write(peer, CONFIG, 4, Uint8Array.of(7, 0));
  irqs(peer, { flags: 4 | 32, count: 1 }, 0);
  irqs(peer, { flags: 1 | 32, count: 0 }, 0);
  irqs(peer, { flags: 4 | 32, count: 1 }, 1);
  irqs(peer, { flags: 1 | 32, count: 0 }, 0);
  irqs(peer, { flags: 4 | 32, count: 5 }, 5);
  write(peer, 0, PTNET.IO_CSB_GH_BAH, word(0));
  write(peer, 0, PTNET.IO_CSB_GH_BAL, word(0x20_0000));
  write(peer, 0, PTNET.IO_CSB_HG_BAH, word(0));
  write(peer, 0, PTNET.IO_CSB_HG_BAL, word(0x20_1000));
  write(peer, 0, PTNET.IO_PTCTL, word(PTCTL.CREATE));
  expect(read(peer, 0, PTNET.IO_PTCTL, 4)).toBe(0);
}

test('QEMU realizes the device, a guest starts its rings, the machine resets and ends', () => {
  const peer = fixture.connect();
  realize(peer);
  placeMemory(peer, fixture.memfd(Number(RAM)));
  loadDriver(peer);
  const { dma } = peer.session;
  expect(dma.resolve(0x20_0000n, 5 * 64, 'rw')).toMatchObject({ offset: 0x20_0000n });
  expect(dma.resolve(0xc_0000n, 64, 'rw')).toEqual({ errno: E.EACCES, miss: 'access' });
  expect(dma.resolve(0xa_0000n, 64, 'r')).toEqual({ errno: E.EFAULT, miss: 'unmapped' });
  expect(peer.session.irqs.msix.every(({ fd }) => fd >= 0)).toBe(true);
  // The machine is reset: interrupts off, device reset, BARs and RAM placed anew.
  irqs(peer, { flags: 1 | 32, count: 0 }, 0);
  peer.send(VFIO_USER.DEVICE_RESET);
  expect(peer.backend.calls.slice(-2)).toEqual(['create 200000 201000', 'delete']);
  loadDriver(peer);
  expect(peer.counters).toEqual({});
  peer.session.close();
  expect(peer.backend.calls.at(-1)).toBe('delete');
});
