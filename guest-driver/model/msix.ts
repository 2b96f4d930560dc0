// MSI-X of one function as QEMU's client sets it up: eventfds for vectors, in the order that a driver's enable causes.
import { GuestError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { IRQ, SET_IRQS_FLAG } from './messages.ts';
import type { PciFunction } from './pci.ts';

const CONTROL_ENABLE = 0x8000;

export class Msix {
  readonly interrupts: Interrupt[] = [];
  readonly #pci: PciFunction;
  #enabled = false;

  constructor(pci: PciFunction) {
    this.#pci = pci;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Enables the first `count` vectors. */
  async enable(count: number): Promise<void> {
    const { device, msix } = this.#pci;
    const irqs = await device.irqInfo(IRQ.MSIX);
    if (!msix || msix.vectors !== irqs.count || count > msix.vectors) {
      throw new GuestError(
        `${this.#pci.name}: MSI-X: want ${count} vectors, have ${msix?.vectors ?? 0} in the capability, ${irqs.count} in GET_IRQ_INFO`,
      );
    }
    for (let i = this.interrupts.length; i < count; i++) this.interrupts.push(new Interrupt(i));
    const fds = this.interrupts.slice(0, count).map(({ fd }) => fd);
    // The guest sets the enable bit: QEMU attaches nothing to vector 0, so that the device counts as enabled.
    const flags = SET_IRQS_FLAG.DATA_EVENTFD | SET_IRQS_FLAG.ACTION_TRIGGER;
    await device.setIrqs({ index: IRQ.MSIX, flags, start: 0, count: 1 });
    await this.#control(CONTROL_ENABLE);
    this.#enabled = true;
    // The guest unmasks its vectors one by one: every time more are in use, QEMU takes all down and attaches anew.
    await device.disableIrqs(IRQ.MSIX);
    await device.attachIrqs(IRQ.MSIX, fds.slice(0, 1));
    await device.disableIrqs(IRQ.MSIX);
    await device.attachIrqs(IRQ.MSIX, fds);
  }

  async disable(): Promise<void> {
    if (!this.#enabled) return;
    await this.#pci.device.disableIrqs(IRQ.MSIX);
    await this.#control(0);
    this.#enabled = false;
  }

  /** Has the device raise a vector itself (SET_IRQS with DATA_NONE and TRIGGER): the loopback that VFIO offers. */
  async trigger(vector: number): Promise<void> {
    const flags = SET_IRQS_FLAG.DATA_NONE | SET_IRQS_FLAG.ACTION_TRIGGER;
    await this.#pci.device.setIrqs({ index: IRQ.MSIX, flags, start: vector, count: 1 });
  }

  close(): void {
    for (const interrupt of this.interrupts.splice(0)) interrupt.close();
    this.#enabled = false;
  }

  async #control(bits: number): Promise<void> {
    const at = this.#pci.msix!.offset + 2;
    const value = await this.#pci.readConfig16(at);
    await this.#pci.writeConfig16(at, (value & ~CONTROL_ENABLE) | bits);
  }
}
