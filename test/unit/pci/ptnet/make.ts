// A network device with a recording backend, and the two steps that most tests of it begin with.
import {
  createPtnet,
  PTNET,
  type PtnetDevice,
  type PtnetInfo,
  type PtnetOptions,
} from '../../../../pci/index.ts';
import { type FakeBackend, fakeBackend, read, write } from '../guest.ts';

export function makePtnet(
  info: Partial<PtnetInfo> = {},
  options: PtnetOptions = {},
): { backend: FakeBackend; device: PtnetDevice } {
  const backend = fakeBackend(info);
  return { backend, device: createPtnet('vm1/net0', backend, options) };
}

export function setCsb(device: PtnetDevice, guestToHost = 0x1000, hostToGuest = 0x2000): void {
  write(device, PTNET.IO_CSB_GH_BAL, guestToHost);
  write(device, PTNET.IO_CSB_HG_BAL, hostToGuest);
}

export function command(device: PtnetDevice, value: number): number {
  write(device, PTNET.IO_PTCTL, value);
  return read(device, PTNET.IO_PTCTL);
}
