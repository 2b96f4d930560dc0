// VFIO_USER_DEVICE_RESET: the device starts over, the client's maps and interrupts stay.
import { expect, test } from 'vitest';
import { encodeDmaMap, encodeSetIrqs } from '../../guest-driver/model/messages.ts';
import { PTNET } from '../../pci/index.ts';
import { readConfig, read as readRegister, write, writeConfig } from '../unit/pci/guest.ts';
import { E, useFixture, VFIO_USER } from './peer.ts';

const fixture = useFixture();

test('registers and config space are as after power-on', () => {
  const peer = fixture.attach();
  write(peer.device, PTNET.IO_VNET_HDR_LEN, 12);
  writeConfig(peer.device, 4, 7, 2);
  const { payload } = peer.send(VFIO_USER.DEVICE_RESET);
  expect(payload).toHaveLength(0);
  expect(readRegister(peer.device, PTNET.IO_VNET_HDR_LEN)).toBe(0);
  expect(readConfig(peer.device, 4, 2)).toBe(0);
});

test('maps and interrupts stay', () => {
  const peer = fixture.attach();
  peer.send(VFIO_USER.DMA_MAP, encodeDmaMap({ address: 0n, size: 0x1000n }), {
    fds: [fixture.memfd(0x1000)],
  });
  const irqs = encodeSetIrqs({ index: 2, flags: 4 | 32, start: 0, count: 1 });
  peer.send(VFIO_USER.SET_IRQS, irqs, { fds: [fixture.eventfd()] });
  peer.send(VFIO_USER.DEVICE_RESET);
  expect(peer.session.dma.resolve(0n, 64, 'rw')).toHaveProperty('fd');
  expect(peer.session.irqs.msix[0]!.fd).toBeGreaterThan(2);
});

test('again and again', () => {
  const peer = fixture.attach();
  for (let i = 0; i < 3; i += 1) peer.send(VFIO_USER.DEVICE_RESET);
  expect(peer.hooks.calls).toEqual(['attach']);
});

test('a payload is refused with EINVAL', () => {
  fixture.attach().send(VFIO_USER.DEVICE_RESET, new Uint8Array(1), { expect: E.EINVAL });
});

test('descriptors do not belong here', () => {
  const options = { expect: E.EINVAL, fds: [fixture.eventfd()] };
  fixture.attach().send(VFIO_USER.DEVICE_RESET, new Uint8Array(), options);
});
