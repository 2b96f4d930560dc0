/** A guest with a kernel's network stack: a driver model whose packets are those of a tap in a namespace of the test's own. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTap } from '../../guest-driver/addon/index.ts';
import { type Guest, openGuest } from '../../guest-driver/model/index.ts';
import type { TestHost } from './host.ts';
import type { Netns } from './netns.ts';

const INTERFACE = 'eth0';
const PCAP_HEADER = 24;
const PCAP_RECORD = 16;
const ETHERNET = 1;

export interface KernelGuestOptions {
  /** 0, 10 or 12; the kernel leaves checksums and segments to others only with one. */
  vnetHdrLen: number;
  addresses: readonly string[];
  mtu?: number;
  /** Keeps what it receives. */
  capture?: boolean;
}

export class KernelGuest {
  readonly netns: Netns;
  readonly guest: Guest;
  readonly #vnetHdrLen: number;
  readonly #folder: string | undefined;

  private constructor(netns: Netns, guest: Guest, vnetHdrLen: number, folder: string | undefined) {
    this.netns = netns;
    this.guest = guest;
    this.#vnetHdrLen = vnetHdrLen;
    this.#folder = folder;
  }

  /** Its interface is `eth0`, with the address of the device, in a namespace that nobody else uses. */
  static async start(
    host: TestHost,
    vm: string,
    netns: Netns,
    { vnetHdrLen, addresses, mtu = 1500, capture = false }: KernelGuestOptions,
  ): Promise<KernelGuest> {
    const [memdev, ...ptnet] = host.sockets(vm);
    const features = vnetHdrLen > 0 ? 1 : 0;
    const guest = await openGuest({ memdev: memdev!, ptnet, features, vnetHdrLen });
    const port = guest.ports[0]!;
    const folder = capture ? mkdtempSync(join(tmpdir(), 'ptnet-capture-')) : undefined;
    const file = folder === undefined ? undefined : openSync(join(folder, 'pcap'), 'wx');
    if (file !== undefined) writeSync(file, pcapHeader());
    const taps = openTap({ netns: netns.path, name: INTERFACE, queues: port.tx.length, vnetHdrLen });
    try {
      if (port.ptnet.vnetHdrLen !== vnetHdrLen)
        throw new Error(`a header of ${vnetHdrLen} bytes was asked for, and it is ${port.ptnet.vnetHdrLen}`);
      const mac = [...port.mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':');
      await netns.ip(`link set dev ${INTERFACE} address ${mac} mtu ${mtu}`);
      for (const address of addresses)
        await netns.ip(`address add ${address} dev ${INTERFACE}${address.includes('::') ? ' nodad' : ''}`);
      await guest.create();
      const options = { op: 'stack', taps, ...(file !== undefined && { capture: file }) } as const;
      await port.startLoop(options);
      await netns.ip(`link set dev ${INTERFACE} up`);
    } finally {
      for (const fd of file === undefined ? taps : [...taps, file]) closeSync(fd);
    }
    return new KernelGuest(netns, guest, vnetHdrLen, folder);
  }

  /** The frames received so far, without their virtio-net headers. */
  captured(): Buffer[] {
    const bytes = readFileSync(join(this.#folder!, 'pcap'));
    const frames: Buffer[] = [];
    for (let at = PCAP_HEADER; at < bytes.length; ) {
      const length = bytes.readUInt32LE(at + 8);
      at += PCAP_RECORD;
      frames.push(bytes.subarray(at + this.#vnetHdrLen, at + length));
      at += length;
    }
    return frames;
  }

  /** As a VM that is shut down, or one that is killed. */
  async close(crash = false): Promise<void> {
    await (crash ? this.guest.crash() : this.guest.close());
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Of a file of little-endian records, for tcpdump and the like. */
function pcapHeader(): Buffer {
  const header = Buffer.alloc(PCAP_HEADER);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(1 << 18, 16);
  header.writeUInt32LE(ETHERNET, 20);
  return header;
}
