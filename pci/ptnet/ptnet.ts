// The network device: registers that negotiate, point at the CSB, start and stop serving, and carry doorbells.
import assert from 'node:assert/strict';
import { BAR_COUNT, type Bar, ioBar, memoryBar } from '../bars.ts';
import { ConfigSpace } from '../config-space.ts';
import { assembleDevice, type RegisterDevice } from '../device.ts';
import { DEFAULT_PCI_IDS, PCI_IDS, type PciIds, SUBSYSTEM } from '../identity.ts';
import { MsixMemory, msixCapability } from '../msix.ts';
import { RegisterFile } from '../register-file.ts';
import { type OnReject, Rejects } from '../rejects.ts';
import type { PtnetBackend } from './backend.ts';
import { PtnetControl, type PtnetState } from './control.ts';
import { PTNET, PTNET_REGISTERS } from './registers.ts';

export interface PtnetOptions {
  bar0?: 'io' | 'mem';
  ids?: PciIds;
  onReject?: OnReject;
}

export interface PtnetDevice extends RegisterDevice {
  readonly serving: boolean;
  /** Stops serving because the host must (the guest's memory goes away, the client left); registers stay. */
  stop(): void;
  /** What another one is to go on with, beside config space. */
  readonly state: { readonly registers: PtnetState; readonly msix: Uint8Array };
  /** As another one was; nobody is told. */
  restore(state: PtnetDevice['state']): void;
}

export function createPtnet(name: string, backend: PtnetBackend, options: PtnetOptions = {}): PtnetDevice {
  const rings = backend.info.numTxRings + backend.info.numRxRings;
  assert(
    backend.info.mac.length === 6,
    `${name}: MAC address of ${backend.info.mac.length} octets, must be 6`,
  );
  assert(
    rings >= 1 && rings <= PTNET.RINGS_MAX,
    `${name}: ${rings} rings, 1 to ${PTNET.RINGS_MAX} have doorbells`,
  );
  const rejects = new Rejects(options.onReject);
  const control = new PtnetControl(backend, rejects);
  const bars: (Bar | undefined)[] = new Array(BAR_COUNT).fill(undefined);
  const bar0 =
    options.bar0 === 'mem' ? memoryBar('mem32', PTNET.IO_BAR_SIZE_MEMORY) : ioBar(PTNET.IO_BAR_SIZE);
  bars[PTNET.IO_BAR] = bar0;
  bars[PTNET.MSIX_BAR] = memoryBar('mem32', PTNET.MSIX_BAR_SIZE);
  const registers = new RegisterFile({
    table: PTNET_REGISTERS,
    size: bar0.size,
    bar: PTNET.IO_BAR,
    rejects,
    bank: control,
    doorbells: { offset: PTNET.KICK_BASE, count: PTNET.RINGS_MAX, ring: (ring) => control.kick(ring) },
  });
  const layout = {
    vectors: rings,
    bar: PTNET.MSIX_BAR,
    tableOffset: PTNET.MSIX_TABLE_OFFSET,
    pbaOffset: PTNET.MSIX_PBA_OFFSET,
    size: PTNET.MSIX_BAR_SIZE,
  };
  const msix = new MsixMemory(layout);
  const identity = {
    vendorId: PTNET.VENDOR_ID,
    deviceId: PCI_IDS[options.ids ?? DEFAULT_PCI_IDS].ptnet,
    classCode: PTNET.CLASS_CODE,
    ...SUBSYSTEM,
  };
  const device = assembleDevice({
    name,
    config: new ConfigSpace({ identity, bars, capabilities: [msixCapability(layout)], rejects }),
    bars,
    spaces: [registers, undefined, msix],
    registers: PTNET_REGISTERS,
    rejects,
    msixVectors: rings,
    onReset: () => {
      control.reset();
      msix.reset();
    },
  });
  return {
    ...device,
    get serving() {
      return control.serving;
    },
    stop: () => control.stop(),
    get state() {
      return { registers: control.state, msix: msix.bytes };
    },
    restore: (state) => {
      control.restore(state.registers);
      msix.restore(state.msix);
    },
  };
}
