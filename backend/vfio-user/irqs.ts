// The interrupts of one session: an eventfd each, masks, and what VFIO_USER_DEVICE_SET_IRQS does to them.
import { constants } from 'node:os';
import { inspectFd, setNonblocking, signalPeerFd } from '../../native/os.ts';
import { ProtocolError } from '../errors.ts';
import { closeFds, type Message } from './message.ts';
import { IRQ, IRQ_FLAG, IRQ_SET } from './protocol.ts';
import type { SetIrqsRequest } from './wire.ts';

const { EBADF, EINVAL } = constants.errno;

export interface Interrupt {
  /** The eventfd that raises it; -1: none. */
  fd: number;
  masked: boolean;
  /** Triggered while it was masked. */
  pending: boolean;
  /** Signalled when it is masked and unmasked; -1: none. */
  maskFd: number;
  unmaskFd: number;
}

type FdField = 'fd' | 'maskFd' | 'unmaskFd';

/** By index: INTx, MSI, MSI-X, error, request. QEMU warns when a device has no error interrupt. */
const FLAGS = [0, 0, IRQ_FLAG.EVENTFD | IRQ_FLAG.NORESIZE, IRQ_FLAG.EVENTFD, IRQ_FLAG.EVENTFD] as const;

export class Interrupts {
  readonly msix: readonly Interrupt[];
  readonly err: Interrupt = none();
  readonly req: Interrupt = none();
  readonly #tables: readonly (readonly Interrupt[])[];
  readonly #onChanged: (vector: number, count: number) => void;

  /** `onChanged` is called for MSI-X, before replaced descriptors are closed. */
  constructor(msixVectors: number, onChanged: (vector: number, count: number) => void) {
    this.msix = Array.from({ length: msixVectors }, none);
    this.#tables = [[], [], this.msix, [this.err], [this.req]];
    this.#onChanged = onChanged;
  }

  /** @throws ProtocolError EINVAL: no such index. */
  describe(index: number): { index: number; flags: number; count: number } {
    const table = this.#table(index);
    return { index, flags: table.length === 0 ? 0 : FLAGS[index]!, count: table.length };
  }

  /**
   * Takes the message's descriptors when it keeps them.
   * @throws ProtocolError
   */
  set(request: SetIrqsRequest, message: Message): void {
    const table = this.#table(request.index);
    const { start, count, flags } = request;
    checkRequest(request, message.fds.length, table.length);
    if (count === 0) this.#disableAll(request.index);
    else if ((flags & IRQ_SET.DATA_EVENTFD) !== 0) this.#assign(request, message);
    else {
      const wanted = (i: number): boolean => (flags & IRQ_SET.DATA_NONE) !== 0 || request.data[i] !== 0;
      const changed = table.slice(start, start + count).filter((_, i) => wanted(i));
      for (const interrupt of changed) act(interrupt, flags & IRQ_SET.ACTION);
      if ((flags & IRQ_SET.ACTION_TRIGGER) === 0) this.#changed(request.index, start, count);
    }
  }

  /** As those of another process were; the descriptors are taken, and nobody is told. @throws ProtocolError */
  restore(msix: readonly Interrupt[], err: Interrupt, req: Interrupt): void {
    if (msix.length !== this.msix.length)
      throw new ProtocolError(EINVAL, `${msix.length} vectors: ${this.msix.length} expected`);
    for (const interrupt of [...msix, err, req])
      for (const fd of [interrupt.fd, interrupt.maskFd, interrupt.unmaskFd]) if (fd >= 0) checkEventfd(fd);
    for (const [i, interrupt] of msix.entries()) Object.assign(this.msix[i]!, interrupt);
    Object.assign(this.err, err);
    Object.assign(this.req, req);
  }

  /** Forgets everything and closes all descriptors. */
  clear(): void {
    const fds = this.#tables.flat().flatMap(forget);
    closeFds(fds);
  }

  #table(index: number): readonly Interrupt[] {
    const table = this.#tables[index];
    if (table === undefined)
      throw new ProtocolError(EINVAL, `interrupt index ${index}: there are ${IRQ.COUNT}`);
    return table;
  }

  #changed(index: number, start: number, count: number): void {
    if (index === IRQ.MSIX && count > 0) this.#onChanged(start, count);
  }

  #disableAll(index: number): void {
    const table = this.#table(index);
    const fds = table.flatMap(forget);
    try {
      this.#changed(index, 0, table.length);
    } finally {
      closeFds(fds);
    }
  }

  /** Without descriptors the range's are taken away. */
  #assign({ index, start, count, flags }: SetIrqsRequest, message: Message): void {
    for (const fd of message.fds) checkEventfd(fd);
    const fds = message.takeFds();
    const field = fieldOf(flags & IRQ_SET.ACTION);
    const replaced: number[] = [];
    this.#table(index)
      .slice(start, start + count)
      .forEach((interrupt, i) => {
        if (interrupt[field] >= 0) replaced.push(interrupt[field]);
        interrupt[field] = fds[i] ?? -1;
      });
    try {
      if (field === 'fd') this.#changed(index, start, count);
    } finally {
      closeFds(replaced);
    }
  }
}

function none(): Interrupt {
  return { fd: -1, masked: false, pending: false, maskFd: -1, unmaskFd: -1 };
}

/** Returns the descriptors it had; they are the caller's. */
function forget(interrupt: Interrupt): number[] {
  const { fd, maskFd, unmaskFd } = interrupt;
  Object.assign(interrupt, none());
  return [fd, maskFd, unmaskFd].filter((each) => each >= 0);
}

function fieldOf(action: number): FdField {
  if (action === IRQ_SET.ACTION_TRIGGER) return 'fd';
  return action === IRQ_SET.ACTION_MASK ? 'maskFd' : 'unmaskFd';
}

function act(interrupt: Interrupt, action: number): void {
  if (action === IRQ_SET.ACTION_TRIGGER) trigger(interrupt);
  else setMasked(interrupt, action === IRQ_SET.ACTION_MASK);
}

function trigger(interrupt: Interrupt): void {
  if (interrupt.masked) interrupt.pending = true;
  else if (interrupt.fd >= 0) signalPeerFd(interrupt.fd);
}

function setMasked(interrupt: Interrupt, masked: boolean): void {
  if (interrupt.masked === masked) return;
  interrupt.masked = masked;
  const told = masked ? interrupt.maskFd : interrupt.unmaskFd;
  if (told >= 0) signalPeerFd(told);
  if (masked || !interrupt.pending) return;
  interrupt.pending = false;
  trigger(interrupt);
}

function checkRequest(request: SetIrqsRequest, fds: number, available: number): void {
  const { flags, start, count, data } = request;
  const kind = flags & IRQ_SET.DATA;
  const action = flags & IRQ_SET.ACTION;
  if (!isOneBit(kind) || !isOneBit(action) || (kind | action) !== flags) {
    throw new ProtocolError(
      EINVAL,
      `flags 0x${flags.toString(16)}: one kind of data and one action expected`,
    );
  }
  if (start + count > available) {
    throw new ProtocolError(EINVAL, `interrupts ${start}+${count}: index ${request.index} has ${available}`);
  }
  const disables = kind === IRQ_SET.DATA_NONE && action === IRQ_SET.ACTION_TRIGGER && start === 0;
  if (count === 0 && !disables)
    throw new ProtocolError(EINVAL, 'no interrupts: only none + trigger at 0 may do that');
  const wanted = kind === IRQ_SET.DATA_BOOL ? count : 0;
  if (data.length !== wanted)
    throw new ProtocolError(EINVAL, `${data.length} bytes of data: ${wanted} expected`);
  if (fds > 0 && (kind !== IRQ_SET.DATA_EVENTFD || fds !== count)) {
    const expected = kind === IRQ_SET.DATA_EVENTFD ? `none or ${count}` : 'none';
    throw new ProtocolError(EINVAL, `${fds} descriptors: ${expected} expected`);
  }
}

function checkEventfd(fd: number): void {
  const info = inspectFd(fd);
  if (info.kind !== 'eventfd') throw new ProtocolError(EBADF, 'descriptor: is not an eventfd');
  // Raising an interrupt must never wait for whoever reads it.
  if (!info.nonblocking) setNonblocking(fd);
}

function isOneBit(bits: number): boolean {
  return bits !== 0 && (bits & (bits - 1)) === 0;
}
