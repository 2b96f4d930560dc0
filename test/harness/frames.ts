// TCP and UDP frames byte by byte, and a look at any frame that finds every wrong length and checksum in it: a reading of the protocols of its own.

export interface FrameOptions {
  readonly dst: Uint8Array;
  readonly src: Uint8Array;
  readonly version?: 4 | 6;
  readonly protocol?: 'tcp' | 'udp';
  readonly vlan?: number;
  readonly payload: Uint8Array;
  /** Leaves the checksum to others: the field holds the sum of the pseudo-header. */
  readonly partial?: boolean;
}

export interface SeenFrame {
  readonly protocol: 'tcp' | 'udp';
  /** Bytes of the IP packet. */
  readonly ipLength: number;
  readonly id: number;
  readonly seq: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

const TYPE = { 4: 0x0800, 6: 0x86dd } as const;
const VLAN = 0x8100;
const PROTOCOL = { tcp: 6, udp: 17 } as const;
const SEQ = 0xffff_f000;
const TCP_ACK_PSH_FIN = 0x19;

/** One's complement sum of big-endian words. */
function sum(...parts: Uint8Array[]): number {
  let total = 0;
  for (const part of parts)
    for (let i = 0; i < part.length; i += 2) total += (part[i]! << 8) + (part[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return total;
}

function pseudoHeader(addresses: Uint8Array, protocol: number, length: number): Uint8Array {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(length, 0);
  tail.writeUInt32BE(protocol, 4);
  return Buffer.concat([addresses, tail]);
}

function transportHeader(protocol: 'tcp' | 'udp', payload: number): Buffer {
  if (protocol === 'udp') {
    const udp = Buffer.from([0x13, 0x89, 0x00, 0x35, 0, 0, 0, 0]);
    udp.writeUInt16BE((8 + payload) & 0xffff, 4);
    return udp;
  }
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(5001, 0);
  tcp.writeUInt16BE(80, 2);
  tcp.writeUInt32BE(SEQ, 4);
  tcp[12] = 0x50;
  tcp[13] = TCP_ACK_PSH_FIN;
  return tcp;
}

export function buildFrame(options: FrameOptions): Uint8Array {
  const { dst, src, version = 4, protocol = 'tcp', vlan, payload, partial = false } = options;
  const transport = Buffer.concat([transportHeader(protocol, payload.length), payload]);
  const ip = Buffer.alloc(version === 4 ? 20 : 40);
  if (version === 4) {
    ip[0] = 0x45;
    ip.writeUInt16BE(20 + transport.length, 2);
    ip.writeUInt16BE(0xfffe, 4);
    ip.set([64, PROTOCOL[protocol]], 8);
    ip.set([192, 0, 2, 1, 192, 0, 2, 2], 12);
    ip.writeUInt16BE(~sum(ip) & 0xffff, 10);
  } else {
    ip[0] = 0x60;
    ip.writeUInt16BE(transport.length, 4);
    ip.set([PROTOCOL[protocol], 64], 6);
    ip.set([0x20, 0x01, 0x0d, 0xb8], 8);
    ip[23] = 1;
    ip.set([0x20, 0x01, 0x0d, 0xb8], 24);
    ip[39] = 2;
  }
  const pseudo = pseudoHeader(ip.subarray(version === 4 ? 12 : 8), PROTOCOL[protocol], transport.length);
  const check = partial ? sum(pseudo) : ~sum(pseudo, transport) & 0xffff || 0xffff;
  transport.writeUInt16BE(check, protocol === 'tcp' ? 16 : 6);
  const type = Buffer.alloc(vlan === undefined ? 2 : 6);
  if (vlan !== undefined) {
    type.writeUInt16BE(VLAN, 0);
    type.writeUInt16BE(vlan, 2);
  }
  type.writeUInt16BE(TYPE[version], type.length - 2);
  return Buffer.concat([dst, src, type, ip, transport]);
}

/** A virtio-net header for such a frame, which leaves the checksum, and with `gsoSize` also the segments, to others. */
export function vnetHeader(options: FrameOptions, gsoSize: number, length = 12): Uint8Array {
  const { version = 4, protocol = 'tcp', vlan } = options;
  const transportAt = 14 + (vlan === undefined ? 0 : 4) + (version === 4 ? 20 : 40);
  const header = Buffer.alloc(length);
  header[0] = 1;
  if (gsoSize > 0) header[1] = protocol === 'udp' ? 5 : version === 4 ? 1 : 4;
  header.writeUInt16LE(gsoSize > 0 ? transportAt + (protocol === 'tcp' ? 20 : 8) : 0, 2);
  header.writeUInt16LE(gsoSize, 4);
  header.writeUInt16LE(transportAt, 6);
  header.writeUInt16LE(protocol === 'tcp' ? 16 : 6, 8);
  return header;
}

/** @throws Error naming the first length or checksum that is wrong. */
export function inspectFrame(bytes: Uint8Array): SeenFrame {
  const frame = Buffer.from(bytes);
  const at = frame.readUInt16BE(12) === VLAN ? 18 : 14;
  const ip = frame.subarray(at);
  const version = ip[0]! >> 4;
  const four = version === 4;
  if (frame.readUInt16BE(at - 2) !== (four ? TYPE[4] : TYPE[6])) throw new Error('not an IP packet');
  const ipLength = four ? ip.readUInt16BE(2) : 40 + ip.readUInt16BE(4);
  if (ipLength !== ip.length) throw new Error(`IP length ${ipLength} in a packet of ${ip.length} bytes`);
  const header = four ? (ip[0]! & 15) * 4 : 40;
  if (four && sum(ip.subarray(0, header)) !== 0xffff) throw new Error('IPv4 header checksum');
  const transport = ip.subarray(header);
  const protocol = (four ? ip[9] : ip[6]) === PROTOCOL.tcp ? 'tcp' : 'udp';
  const addresses = four ? ip.subarray(12, 20) : ip.subarray(8, 40);
  if (sum(pseudoHeader(addresses, PROTOCOL[protocol], transport.length), transport) !== 0xffff)
    throw new Error(`${protocol} checksum`);
  if (protocol === 'udp' && transport.readUInt16BE(4) !== transport.length) throw new Error('UDP length');
  return {
    protocol,
    ipLength,
    id: four ? ip.readUInt16BE(4) : 0,
    seq: protocol === 'tcp' ? transport.readUInt32BE(4) : 0,
    flags: protocol === 'tcp' ? transport[13]! : 0,
    payload: transport.subarray(protocol === 'tcp' ? (transport[12]! >> 4) * 4 : 8),
  };
}

const TYPE_ARP = 0x0806;
const PROTOCOL_ICMP = 1;
const PROTOCOL_ICMP6 = 58;

/** The same for any frame of a kernel's: ARP, and checksums of IPv4, TCP, UDP, ICMP and ICMPv6, as far as one frame has all that they are of. */
export function inspectAny(frame: Buffer): void {
  const type = frame.readUInt16BE(12);
  if (type === TYPE_ARP) return;
  if (type !== TYPE[4] && type !== TYPE[6]) throw new Error(`EtherType ${type}`);
  const ip = frame.subarray(14);
  const four = type === TYPE[4];
  const protocol = four ? ip[9]! : ip[6]!;
  if (protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp) {
    const fragment = four && (ip.readUInt16BE(6) & 0x3fff) !== 0;
    if (!fragment) return void inspectFrame(frame);
  }
  const length = four ? ip.readUInt16BE(2) : 40 + ip.readUInt16BE(4);
  if (length > ip.length) throw new Error(`IP length ${length} in a packet of ${ip.length} bytes`);
  const header = four ? (ip[0]! & 15) * 4 : 40;
  if (four && sum(ip.subarray(0, header)) !== 0xffff) throw new Error('IPv4 header checksum');
  const rest = ip.subarray(header, length);
  if (protocol === PROTOCOL_ICMP && (ip.readUInt16BE(6) & 0x3fff) === 0 && sum(rest) !== 0xffff)
    throw new Error('ICMP checksum');
  if (
    protocol === PROTOCOL_ICMP6 &&
    sum(pseudoHeader(ip.subarray(8, 40), protocol, rest.length), rest) !== 0xffff
  )
    throw new Error('ICMPv6 checksum');
}
