// A ptnet device in service: what the device model and the vfio-user session ask, answered with a port and the broker.
import { closeFd } from '../native/os.ts';
import type { Port } from '../native/ports.ts';
import {
  type CsbAddresses,
  createPtnet,
  type PciIds,
  PTFEAT,
  PTNET,
  type PtnetBackend,
  type PtnetDevice,
} from '../pci/index.ts';
import type { Complaints } from './complaints.ts';
import type { BindRequest, Broker, Policy } from './datapath/broker.ts';
import { wireInterrupts } from './datapath/notify.ts';
import { ProtocolError } from './errors.ts';
import { complainOfRejects } from './rejects.ts';
import { explainUnreachable } from './unreachable.ts';
import type { DmaTable } from './vfio-user/dma.ts';
import type { VfioUserHooks } from './vfio-user/server.ts';
import type { Session } from './vfio-user/session.ts';

const EINVAL = 22;
const EIO = 5;
const ENXIO = 6;
const CSB_ENTRY = 64;

const LOST_REGION =
  'a VM of its region has taken pages of it away, and there were no others: stopped: start the host anew, without that VM';

export interface HostedPtnetOptions {
  /** `vm1/net0`. */
  readonly name: string;
  readonly port: Port;
  readonly memid: number;
  readonly mac: Uint8Array;
  readonly policy: Policy;
  readonly bar0: 'io' | 'mem';
  readonly ids: PciIds;
  /** Where what its guest does wrong is counted and said. */
  readonly complaints: Complaints;
  /** Whether a guest may have its packets begin with a virtio-net header. */
  readonly vnetHdr: boolean;
}

/** All that is known of a device beside its session, in service or not. */
export interface HostedState {
  readonly device: PtnetDevice['state'];
  readonly features: number;
  readonly vnetHdrLen: number;
  readonly policy: Policy;
  readonly worker: number | undefined;
  /** undefined: not in service. */
  readonly csb: CsbAddresses | undefined;
}

export class HostedPtnet implements PtnetBackend, VfioUserHooks {
  readonly device: PtnetDevice;
  readonly info: PtnetBackend['info'];
  readonly options: HostedPtnetOptions;
  readonly #broker: Broker;
  #policy: Policy;
  #session: Session | undefined;
  #csb: CsbAddresses | undefined;
  #doorbells: number[] = [];
  /** As negotiated; both take effect with the next CREATE. */
  #features = 0;
  #vnetHdrLen = 0;

  constructor(options: HostedPtnetOptions, broker: Broker) {
    this.options = options;
    this.#broker = broker;
    this.#policy = options.policy;
    const { port, mac, memid, name, bar0, ids, complaints } = options;
    this.info = {
      mac,
      nifpOfs: port.info.nifpOfs,
      numTxRings: port.info.txRings,
      numRxRings: port.info.rxRings,
      numTxSlots: port.info.txSlots,
      numRxSlots: port.info.rxSlots,
      hostMemId: memid,
      features: options.vnetHdr ? PTFEAT.VNET_HDR : 0,
    };
    this.device = createPtnet(name, this, { bar0, ids, onReject: complainOfRejects(complaints) });
  }

  // What the host asks.

  get policy(): Policy {
    return this.#policy;
  }

  /** From now on, also while it is served; not to or from inline. @throws Error with `code` EINVAL */
  setPolicy(policy: Policy): void {
    const { port, name } = this.options;
    const worker = this.#broker.workerOf(port);
    if (worker !== undefined) this.#broker.setPolicy(name, { ...policy, worker });
    this.#policy = policy;
  }

  /** What guest and host have agreed on. */
  get features(): { vnetHdr: boolean; vnetHdrLen: number } {
    return { vnetHdr: (this.#features & PTFEAT.VNET_HDR) !== 0, vnetHdrLen: this.#vnetHdrLen };
  }

  /** The worker that serves it; undefined: none. */
  get worker(): number | undefined {
    return this.device.serving ? this.#broker.workerOf(this.options.port) : undefined;
  }

  get doorbells(): 'message' | 'eventfd' {
    return this.#doorbells.length > 0 ? 'eventfd' : 'message';
  }

  // What the device model asks.

  setFeatures(wanted: number): number {
    this.#features = wanted;
    return wanted;
  }

  setVnetHdrLen(wanted: number): number {
    this.#vnetHdrLen = (this.#features & PTFEAT.VNET_HDR) !== 0 ? wanted : 0;
    return this.#vnetHdrLen;
  }

  create(csb: CsbAddresses): number {
    const session = this.#session;
    if (!session) return ENXIO;
    if (this.options.port.region.info.lost) {
      this.#complain('region lost', LOST_REGION);
      return EIO;
    }
    const length = CSB_ENTRY * this.options.port.rings;
    const guestToHost = this.#resolve(session, 'guest-to-host', csb.guestToHost, length);
    if (typeof guestToHost === 'number') return guestToHost;
    const hostToGuest = this.#resolve(session, 'host-to-guest', csb.hostToGuest, length);
    if (typeof hostToGuest === 'number') return hostToGuest;
    try {
      this.#broker.bind(this.#request(session, { guestToHost, hostToGuest }));
    } catch (error) {
      this.#complain('CREATE', `CREATE: ${(error as Error).message}`, { err: error });
      return -((error as { errno?: number }).errno ?? -EIO);
    }
    this.#csb = csb;
    return 0;
  }

  #request(session: Session, csb: BindRequest['csb']): BindRequest {
    return {
      device: this.options.name,
      port: this.options.port,
      session: session.id,
      csb,
      vectors: session.irqs.msix,
      doorbells: this.#doorbells,
      policy: this.#policy,
      vnetHdrLen: this.#vnetHdrLen,
      plain: true,
    };
  }

  /** Where a CSB array lies, or the errno of why it cannot lie there. */
  #resolve(session: Session, which: string, address: bigint, length: number) {
    const refuse = (errno: number, why: string) => {
      this.#complain(`CREATE ${which} ${errno}`, `CREATE: ${which} CSB at 0x${address.toString(16)}: ${why}`);
      return errno;
    };
    if (address % BigInt(CSB_ENTRY) !== 0n)
      return refuse(EINVAL, 'not aligned: a multiple of 64 would be right');
    const place = session.dma.resolve(address, length, 'rw');
    return 'errno' in place
      ? refuse(place.errno, explainUnreachable(place.miss, length, session.dma.maps.length === 0))
      : place;
  }

  /** A guest can bring all of these about as often as it likes: the log has the first, the 10th, the 100th. */
  #complain(cause: string, text: string, details: object = {}): void {
    this.options.complaints.add(cause, text, { details });
  }

  delete(): number {
    this.#csb = undefined;
    const attachment = this.#broker.table.get(this.options.name)?.attachment;
    this.#broker.unbind(this.options.name);
    // What it has mapped goes now: guests come and go faster than the garbage collector.
    attachment?.drop();
    return 0;
  }

  /** A doorbell that the native reader did not take: policy inline, or from before it knew the window. */
  kick(ring: number): void {
    const binding = this.#broker.table.get(this.options.name);
    if (!binding) return;
    binding.attachment.ring(ring);
    if (binding.policy.policy === 'inline') binding.attachment.sync(ring);
  }

  /** What another host is to go on with. */
  get state(): HostedState {
    return {
      device: this.device.state,
      features: this.#features,
      vnetHdrLen: this.#vnetHdrLen,
      policy: this.#policy,
      worker: this.worker,
      csb: this.#csb,
    };
  }

  /** Goes on with what another host has served: nothing of the guest's is touched before the attachment is resumed. @throws Error */
  restore(
    { device, features, vnetHdrLen, policy, worker, csb }: HostedState,
    session: Session | undefined,
  ): void {
    this.#features = features;
    this.#vnetHdrLen = vnetHdrLen;
    this.#policy = policy;
    this.#session = session;
    if (csb !== undefined) {
      const length = CSB_ENTRY * this.options.port.rings;
      const place = (which: string, address: bigint) => {
        const found = session?.dma.resolve(address, length, 'rw');
        if (found === undefined || 'errno' in found || address % BigInt(CSB_ENTRY) !== 0n)
          throw new Error(`${this.options.name}: ${which} CSB: not in its guest's memory`);
        return found;
      };
      const places = {
        guestToHost: place('guest-to-host', csb.guestToHost),
        hostToGuest: place('host-to-guest', csb.hostToGuest),
      };
      this.#broker.bind(this.#request(session!, places), worker ?? 0);
    }
    this.#csb = csb;
    this.device.restore(device);
  }

  // What the session asks.

  regionFd(): undefined {
    return undefined;
  }

  /** Stops serving a guest that has truncated the memory of its CSB; it may come again with memory that is there. */
  checkCsb(): void {
    if (this.device.serving && this.options.port.region.info.lost) {
      this.#complain('region lost', LOST_REGION);
      this.device.stop();
    }
    if (!this.#broker.table.get(this.options.name)?.attachment.csbLost) return;
    this.#complain('CSB lost', 'the memory of its CSB is gone, its file is shorter now: stopped');
    this.device.stop();
  }

  onDmaUnmap(_dma: DmaTable, address: bigint, size: bigint): void {
    if (!this.#csb) return;
    const length = BigInt(CSB_ENTRY * this.options.port.rings);
    const hit = (at: bigint) => at < address + size && address < at + length;
    if (!hit(this.#csb.guestToHost) && !hit(this.#csb.hostToGuest)) return;
    this.#complain('CSB unmapped', 'the memory of its CSB was unmapped: stopped');
    this.device.stop();
  }

  onInterruptsChanged(vector: number, count: number): void {
    const binding = this.#broker.table.get(this.options.name);
    const end = Math.min(vector + count, this.options.port.rings);
    if (!binding || !this.#session || end <= vector) return;
    try {
      wireInterrupts(binding.attachment, this.#session.irqs.msix, vector, end - vector);
    } catch (error) {
      // As many descriptors as it may have, or as there are.
      const { errno = -EIO, message } = error as Error & { errno?: number };
      throw new ProtocolError(-errno, message, { cause: error });
    }
  }

  onAttach(session: Session): void {
    this.#session = session;
  }

  onDetach(): void {
    this.device.stop();
    this.#session = undefined;
    // The client may have put them where closing them takes long.
    for (const fd of this.#doorbells.splice(0)) closeFd(fd);
  }

  /** Doorbells as eventfds, for a client that can have the kernel signal them. */
  ioFds(region: number): { fd: number; offset: number; size: number }[] {
    if (region !== 0 || this.#policy.policy === 'inline' || !this.#session) return [];
    if (this.#doorbells.length === 0) {
      // None: the doorbells stay messages.
      this.#doorbells = this.#broker.eventfds(this.#session.id, this.options.port.rings);
      if (this.#doorbells.length > 0)
        this.#broker.table.get(this.options.name)?.attachment.setDoorbells(this.#doorbells);
    }
    return this.#doorbells.map((fd, i) => ({ fd, offset: PTNET.KICK_BASE + 4 * i, size: 4 }));
  }
}
