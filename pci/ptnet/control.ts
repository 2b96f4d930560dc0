// What the network device's registers do: negotiation, CSB addresses, CREATE and DELETE, doorbells.
import assert from 'node:assert/strict';
import type { RegisterBank } from '../register-file.ts';
import type { Rejects } from '../rejects.ts';
import type { PtnetBackend, PtnetInfo } from './backend.ts';
import { PTCTL, PTCTL_RESULT, PTFEAT, VNET_HDR_LENGTHS } from './registers.ts';

/** One CSB array's address: the high half waits until the low half is written. */
class CsbAddress {
  high = 0;
  low = 0;
  /** The address in effect; 0 is none. */
  address = 0n;

  writeLow(value: number): void {
    this.low = value;
    this.address = (BigInt(this.high) << 32n) | BigInt(value);
  }

  reset(): void {
    this.high = 0;
    this.low = 0;
    this.address = 0n;
  }
}

interface CsbAddressState {
  readonly high: number;
  readonly low: number;
  readonly address: bigint;
}

/** The device's registers. */
export interface PtnetState {
  readonly guestToHost: CsbAddressState;
  readonly hostToGuest: CsbAddressState;
  readonly features: number;
  readonly vnetHdrLen: number;
  readonly result: number;
  readonly serving: boolean;
}

export class PtnetControl implements RegisterBank {
  readonly #backend: PtnetBackend;
  readonly #rejects: Rejects;
  readonly #guestToHost = new CsbAddress();
  readonly #hostToGuest = new CsbAddress();
  #features = 0;
  #vnetHdrLen = 0;
  #result: number = PTCTL_RESULT.OK;
  #serving = false;

  constructor(backend: PtnetBackend, rejects: Rejects) {
    this.#backend = backend;
    this.#rejects = rejects;
  }

  /** What another one is to go on with. */
  get state(): PtnetState {
    const half = ({ high, low, address }: CsbAddress) => ({ high, low, address });
    return {
      guestToHost: half(this.#guestToHost),
      hostToGuest: half(this.#hostToGuest),
      features: this.#features,
      vnetHdrLen: this.#vnetHdrLen,
      result: this.#result,
      serving: this.#serving,
    };
  }

  /** As another one was; the backend is not told: it has a state of its own. */
  restore({ guestToHost, hostToGuest, features, vnetHdrLen, result, serving }: PtnetState): void {
    Object.assign(this.#guestToHost, guestToHost);
    Object.assign(this.#hostToGuest, hostToGuest);
    this.#features = features;
    this.#vnetHdrLen = vnetHdrLen;
    this.#result = result;
    this.#serving = serving;
  }

  get serving(): boolean {
    return this.#serving;
  }

  /** Write-only registers read back what was written, as in the first emulation of this device; doorbells read 0. */
  read(name: string): number {
    switch (name) {
      case 'PTNET_IO_PTFEAT':
        return this.#features;
      case 'PTNET_IO_PTCTL':
        return this.#result;
      case 'PTNET_IO_VNET_HDR_LEN':
        return this.#vnetHdrLen;
      case 'PTNET_IO_CSB_GH_BAH':
        return this.#guestToHost.high;
      case 'PTNET_IO_CSB_GH_BAL':
        return this.#guestToHost.low;
      case 'PTNET_IO_CSB_HG_BAH':
        return this.#hostToGuest.high;
      case 'PTNET_IO_CSB_HG_BAL':
        return this.#hostToGuest.low;
      default:
        return readInfo(this.#backend.info, name);
    }
  }

  write(name: string, value: number): void {
    switch (name) {
      case 'PTNET_IO_PTFEAT':
        this.#setFeatures(value);
        return;
      case 'PTNET_IO_PTCTL':
        this.#result = this.#command(value);
        return;
      case 'PTNET_IO_VNET_HDR_LEN':
        this.#setVnetHdrLen(value);
        return;
      case 'PTNET_IO_CSB_GH_BAH':
        this.#guestToHost.high = value;
        return;
      case 'PTNET_IO_CSB_GH_BAL':
        this.stop();
        this.#guestToHost.writeLow(value);
        return;
      case 'PTNET_IO_CSB_HG_BAH':
        this.#hostToGuest.high = value;
        return;
      case 'PTNET_IO_CSB_HG_BAL':
        this.stop();
        this.#hostToGuest.writeLow(value);
        return;
      default:
        assert.fail(`register ${name}: writable in the table, but nothing is done with it`);
    }
  }

  kick(ring: number): void {
    const { numTxRings, numRxRings } = this.#backend.info;
    if (ring >= numTxRings + numRxRings) this.#rejects.add('kick-no-ring', { ring });
    else if (!this.#serving) this.#rejects.add('kick-not-serving', { ring });
    else this.#backend.kick(ring);
  }

  stop(): void {
    if (this.#serving) this.#delete();
  }

  reset(): void {
    this.stop();
    this.#guestToHost.reset();
    this.#hostToGuest.reset();
    this.#result = PTCTL_RESULT.OK;
    // The host must forget what the last driver negotiated too, or the next one starts with its header length.
    if (this.#features !== 0) this.#setFeatures(0);
    if (this.#vnetHdrLen !== 0) this.#setVnetHdrLen(0);
  }

  #setFeatures(wanted: number): void {
    const offered = this.#backend.info.features;
    const granted = this.#backend.setFeatures((wanted & offered) >>> 0) >>> 0;
    assert(
      (granted & ~offered) === 0,
      `features 0x${granted.toString(16)} in force, but not all are offered`,
    );
    this.#features = granted;
    // Without the feature there is no header, whatever length was asked for before.
    if ((granted & PTFEAT.VNET_HDR) === 0 && this.#vnetHdrLen !== 0) this.#setVnetHdrLen(0);
  }

  #setVnetHdrLen(wanted: number): void {
    if (!VNET_HDR_LENGTHS.includes(wanted)) this.#rejects.add('vnet-hdr-len', { value: wanted });
    else this.#vnetHdrLen = this.#backend.setVnetHdrLen(wanted);
  }

  #command(command: number): number {
    switch (command) {
      case PTCTL.CREATE:
        return this.#create();
      case PTCTL.DELETE:
        if (this.#serving) return this.#delete();
        this.#rejects.add('delete-not-serving');
        return PTCTL_RESULT.ENXIO;
      default:
        this.#rejects.add('unknown-command', { value: command });
        return PTCTL_RESULT.EINVAL;
    }
  }

  #create(): number {
    if (this.#serving) {
      this.#rejects.add('create-serving');
      return PTCTL_RESULT.EBUSY;
    }
    const guestToHost = this.#guestToHost.address;
    const hostToGuest = this.#hostToGuest.address;
    if (guestToHost === 0n || hostToGuest === 0n) {
      this.#rejects.add('create-without-csb');
      return PTCTL_RESULT.ENXIO;
    }
    const errno = this.#backend.create({ guestToHost, hostToGuest });
    this.#serving = errno === 0;
    if (errno !== 0) this.#rejects.add('create-refused', { errno });
    return errno;
  }

  #delete(): number {
    // First, so that a doorbell which arrives from within delete() is not passed on.
    this.#serving = false;
    const errno = this.#backend.delete();
    if (errno !== 0) this.#rejects.add('delete-failed', { errno });
    return errno;
  }
}

function readInfo(info: PtnetInfo, name: string): number {
  const { mac } = info;
  switch (name) {
    case 'PTNET_IO_MAC_LO':
      return ((mac[2]! << 24) | (mac[3]! << 16) | (mac[4]! << 8) | mac[5]!) >>> 0;
    case 'PTNET_IO_MAC_HI':
      return (mac[0]! << 8) | mac[1]!;
    case 'PTNET_IO_NIFP_OFS':
      return info.nifpOfs;
    case 'PTNET_IO_NUM_TX_RINGS':
      return info.numTxRings;
    case 'PTNET_IO_NUM_RX_RINGS':
      return info.numRxRings;
    case 'PTNET_IO_NUM_TX_SLOTS':
      return info.numTxSlots;
    case 'PTNET_IO_NUM_RX_SLOTS':
      return info.numRxSlots;
    case 'PTNET_IO_HOSTMEMID':
      return info.hostMemId;
    default:
      return assert.fail(`register ${name}: readable in the table, but it has no value`);
  }
}
