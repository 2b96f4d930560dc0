/** An XDP program as an object file, for `ip link set IF xdpgeneric obj FILE sec xdp`: what it does with a datagram is said by the port that it is for. */

/** Ports of UDP over IPv4; whatever else comes is passed to the stack. */
export interface XdpPorts {
  readonly drop: number;
  /** Sent back to where it came from, addresses and ports exchanged. */
  readonly tx: number;
  readonly redirect: number;
  /** Index of the interface that `redirect` sends to. */
  readonly ifindex: number;
}

const ACTION = { drop: 1, pass: 2, tx: 3 } as const;

/** One instruction: opcode, registers, offset in bytes or instructions, constant. */
type Instruction = readonly [opcode: number, dst: number, src: number, offset: number, constant: number];

const BYTES = { 1: 0x10, 2: 0x08, 4: 0x00 } as const;
type Size = keyof typeof BYTES;

const load = (size: Size, dst: number, src: number, offset: number): Instruction => [
  0x61 | BYTES[size],
  dst,
  src,
  offset,
  0,
];
const store = (size: Size, dst: number, offset: number, src: number): Instruction => [
  0x63 | BYTES[size],
  dst,
  src,
  offset,
  0,
];
const move = (dst: number, src: number): Instruction => [0xbf, dst, src, 0, 0];
const set = (dst: number, constant: number): Instruction => [0xb7, dst, 0, 0, constant];
const add = (dst: number, constant: number): Instruction => [0x07, dst, 0, 0, constant];
const EXIT: Instruction = [0x95, 0, 0, 0, 0];
/** bpf_redirect(). */
const REDIRECT: Instruction = [0x85, 0, 0, 0, 23];
const leave = (action: number): Instruction[] => [set(0, action), EXIT];

/** Where things lie in a frame with IPv4 without options, and UDP. */
const FRAME = { type: 12, version: 14, protocol: 23, addresses: 26, ports: 34, dport: 36, end: 42 } as const;
const ETHERTYPE_IPV4 = 0x0800;
const IPV4_PLAIN = 0x45;
const PROTOCOL_UDP = 17;

/** As a little-endian load sees 16 bits of the network's. */
const network = (value: number): number => ((value & 0xff) << 8) | (value >> 8);

/** r2 is the frame: exchanges `size` bytes at `at` and behind them. */
const exchange = (size: Size, at: number, behind: number): Instruction[] => [
  load(size, 4, 2, at),
  load(size, 5, 2, behind),
  store(size, 2, at, 5),
  store(size, 2, behind, 4),
];

function program({ drop, tx, redirect, ifindex }: XdpPorts): Instruction[] {
  const dropping = leave(ACTION.drop);
  const sending = [
    ...exchange(4, 0, 6),
    ...exchange(2, 4, 10),
    ...exchange(4, FRAME.addresses, FRAME.addresses + 4),
    ...exchange(2, FRAME.ports, FRAME.dport),
    ...leave(ACTION.tx),
  ];
  const redirecting = [set(1, ifindex), set(2, 0), REDIRECT, EXIT];
  const port = load(2, 5, 2, FRAME.dport);
  /** Unless the port is that one, over what is done with it. */
  const when = (wanted: number, body: readonly Instruction[]): Instruction[] => [
    [0x55, 5, 0, body.length, network(wanted)],
    ...body,
  ];
  const known = [
    port,
    ...when(drop, dropping),
    ...when(redirect, redirecting),
    ...when(tx, sending),
    ...leave(ACTION.pass),
  ];
  const pass = known.length - 2;
  /** Before `known`, with `left` checks between: over all of them, to where it is passed. */
  const unless = (left: number, value: number): Instruction => [0x55, 5, 0, 2 * left + pass, value];
  return [
    load(4, 2, 1, 0),
    load(4, 3, 1, 4),
    move(4, 2),
    add(4, FRAME.end),
    [0x2d, 4, 3, 6 + pass, 0],
    load(2, 5, 2, FRAME.type),
    unless(2, network(ETHERTYPE_IPV4)),
    load(1, 5, 2, FRAME.version),
    unless(1, IPV4_PLAIN),
    load(1, 5, 2, FRAME.protocol),
    unless(0, PROTOCOL_UDP),
    ...known,
  ];
}

const encode = (instructions: readonly Instruction[]): Buffer =>
  Buffer.concat(
    instructions.map(([opcode, dst, src, offset, constant]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt8(opcode, 0);
      bytes.writeUInt8(dst | (src << 4), 1);
      bytes.writeInt16LE(offset, 2);
      bytes.writeInt32LE(constant, 4);
      return bytes;
    }),
  );

const EM_BPF = 247;
const HEADER = 64;
const SECTION_HEADER = 64;
const SYMBOL = 24;

interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly bytes: Buffer;
  readonly link?: number;
  readonly info?: number;
  readonly entry?: number;
}

/** A function `prog` of section 1. */
function symbols(nameOffset: number, size: number): Buffer {
  const table = Buffer.alloc(2 * SYMBOL);
  table.writeUInt32LE(nameOffset, SYMBOL);
  // Global, a function.
  table.writeUInt8(0x12, SYMBOL + 4);
  table.writeUInt16LE(1, SYMBOL + 6);
  table.writeBigUInt64LE(BigInt(size), SYMBOL + 16);
  return table;
}

function sectionHeader(section: Section, nameOffset: number, at: number): Buffer {
  const header = Buffer.alloc(SECTION_HEADER);
  header.writeUInt32LE(nameOffset, 0);
  header.writeUInt32LE(section.type, 4);
  header.writeBigUInt64LE(BigInt(section.flags), 8);
  header.writeBigUInt64LE(BigInt(at), 24);
  header.writeBigUInt64LE(BigInt(section.bytes.length), 32);
  header.writeUInt32LE(section.link ?? 0, 40);
  header.writeUInt32LE(section.info ?? 0, 44);
  header.writeBigUInt64LE(8n, 48);
  header.writeBigUInt64LE(BigInt(section.entry ?? 0), 56);
  return header;
}

/** A relocatable ELF file for the kernel's BPF machine. */
export function xdpObject(ports: XdpPorts): Buffer {
  const code = encode(program(ports));
  const names = '\0prog\0xdp\0license\0.symtab\0.strtab\0';
  const nameOf = (name: string): number => names.indexOf(`\0${name}\0`) + 1;
  const sections: Section[] = [
    { name: 'xdp', type: 1, flags: 6, bytes: code },
    { name: 'license', type: 1, flags: 3, bytes: Buffer.from('Dual BSD/GPL\0') },
    {
      name: '.symtab',
      type: 2,
      flags: 0,
      bytes: symbols(nameOf('prog'), code.length),
      link: 4,
      info: 1,
      entry: SYMBOL,
    },
    { name: '.strtab', type: 3, flags: 0, bytes: Buffer.from(names) },
  ];
  const parts: Uint8Array[] = [];
  const headers: Uint8Array[] = [Buffer.alloc(SECTION_HEADER)];
  let at = HEADER;
  for (const section of sections) {
    headers.push(sectionHeader(section, nameOf(section.name), at));
    const padded = Buffer.alloc((section.bytes.length + 7) & ~7);
    section.bytes.copy(padded);
    parts.push(padded);
    at += padded.length;
  }
  const header = Buffer.alloc(HEADER);
  Buffer.from('\x7fELF\x02\x01\x01').copy(header);
  header.writeUInt16LE(1, 16);
  header.writeUInt16LE(EM_BPF, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(at), 40);
  header.writeUInt16LE(HEADER, 52);
  header.writeUInt16LE(SECTION_HEADER, 58);
  header.writeUInt16LE(headers.length, 60);
  header.writeUInt16LE(sections.length, 62);
  return Buffer.concat([header, ...parts, ...headers]);
}
