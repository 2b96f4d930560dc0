// The seed corpus of a session: sequences of messages that have been trouble somewhere, tried before all others.
import * as wire from '../../../../guest-driver/model/messages.ts';
import { PTNET } from '../../../../pci/index.ts';
import type { Sent, Step } from './arbitraries.ts';
import type { FdKind } from './descriptors.ts';

const { VFIO_USER, MESSAGE_FLAG } = wire;

function send(
  command: number,
  payload: Uint8Array,
  fds: readonly FdKind[] = [],
  but: Partial<Sent> = {},
): Step {
  return { kind: 'send', message: { command, flags: 0, errno: 0, sizeError: 0, payload, fds, ...but } };
}
const map = (address: bigint, fds: readonly FdKind[] = ['memory']): Step =>
  send(VFIO_USER.DMA_MAP, wire.encodeDmaMap({ address, size: 0x1000n, offset: 0n, flags: 3 }), fds);
const unmap = (address: bigint, size: bigint): Step =>
  send(VFIO_USER.DMA_UNMAP, wire.encodeDmaUnmap({ address, size }));
const eventfds = (start: number, count: number, fds: readonly FdKind[]): Step =>
  send(
    VFIO_USER.SET_IRQS,
    wire.encodeSetIrqs({ index: 2, flags: 36, start, count, data: new Uint8Array() }),
    fds,
  );
const write = (region: number, offset: number, bytes: Uint8Array, but: Partial<Sent> = {}): Step =>
  send(
    VFIO_USER.REGION_WRITE,
    wire.encodeRegionAccess({ region, offset: BigInt(offset), count: bytes.length }, bytes),
    [],
    but,
  );
const register = (offset: number, value: number): Step =>
  write(0, offset, new Uint8Array(Uint32Array.of(value).buffer));
const reset = send(VFIO_USER.DEVICE_RESET, new Uint8Array());
const hangUp: Step = { kind: 'hang-up' };

/** A driver from its CSB to CREATE. */
const bringUp: Step[] = [
  map(0x1000n),
  map(0x2000n),
  register(PTNET.IO_CSB_GH_BAL, 0x1000),
  register(PTNET.IO_CSB_HG_BAL, 0x2000),
  register(PTNET.IO_PTCTL, 1),
];

export const corpus: [readonly Step[]][] = [
  // Memory of a CSB that goes away while it is used, then what is left of it.
  [[...bringUp, unmap(0x1000n, 0x1000n), register(PTNET.KICK_BASE, 0), register(PTNET.IO_PTCTL, 2)]],
  [[...bringUp, ...bringUp, reset, register(PTNET.IO_PTCTL, 1), hangUp, ...bringUp]],
  // Descriptors: too few, too many, of the wrong kind, with a message that takes none.
  [[eventfds(0, 3, ['eventfd', 'memory', 'eventfd']), eventfds(0, 2, ['eventfd']), eventfds(3, 5, [])]],
  [
    [
      map(0n, ['memory', 'memory']),
      map(0n, ['small']),
      map(0n, ['socket']),
      map(0n, ['folder']),
      map(0n, []),
    ],
  ],
  [[write(7, 4, Uint8Array.of(7, 4)), send(VFIO_USER.DEVICE_RESET, new Uint8Array(), ['eventfd', 'device'])]],
  // The end of the address space, and everything at once.
  [
    [
      map(0xffff_ffff_ffff_f000n),
      unmap(0xffff_ffff_ffff_f000n, 0x1000n),
      map(0n),
      unmap(0n, 0xffff_ffff_ffff_f000n),
    ],
  ],
  // Config space, MSI-X table and BARs at their last bytes and beyond.
  [
    [
      write(7, 255, Uint8Array.of(1)),
      write(7, 255, new Uint8Array(4)),
      write(2, 4092, new Uint8Array(8)),
      write(0, 252, new Uint8Array(8)),
    ],
  ],
  // No answer is wanted, one that is none, a size that is a lie.
  [
    [
      write(0, PTNET.KICK_BASE, new Uint8Array(4), { flags: MESSAGE_FLAG.NO_REPLY }),
      write(0, 0, new Uint8Array(4), { flags: 1 }),
    ],
  ],
  [[write(0, 0, new Uint8Array(4), { sizeError: -16 })]],
];
