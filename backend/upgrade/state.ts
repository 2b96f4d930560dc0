// What one host tells another one that goes on in its place: the form of all of it. Whoever reads it takes it for foreign.
import { z } from 'zod';
import { CountersSchema } from './counters.ts';
import { bytes, count, fd, name, runs, u32, u64 } from './forms.ts';
import { InterfacesSchema } from './interfaces.ts';

/** Of the messages; hosts with another one do not talk to each other. */
export const PROTOCOL = 1;
/** Of what they say of a host. */
export const STATE = 1;

const shape = z.strictObject({
  id: z.number().int().min(1).max(65_535),
  ifNum: u32(),
  ifSize: u32(),
  ringNum: u32(),
  ringSize: u32(),
  bufNum: u32(),
  bufSize: u32(),
  hugepages: z.boolean().optional(),
  numaNode: u32().optional(),
});
const region = z.strictObject({
  key: name(),
  shape,
  fd: fd(),
  ifs: runs(),
  rings: runs(),
  bufs: runs(),
  lastHolder: u32(),
  owned: runs(),
  extraHolders: runs(),
});
const places = z.strictObject({
  holder: u32(),
  nifpOfs: count(),
  rings: z
    .array(
      z.strictObject({
        offset: count(),
        counters: u32(),
        hwcur: u32(),
        hwtail: u32(),
        vnetHdrLen: z.union([z.literal(0), z.literal(10), z.literal(12)]),
        room: z.number().int().min(0).max(0xffff),
        offsetMax: u32(),
        offsetMask: u64(),
      }),
    )
    .max(64),
});
const port = z.strictObject({
  name: name(),
  places,
  otherPlaces: places.optional(),
  sent: z.array(u64()).max(64).optional(),
});
const lookup = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('learning') }),
  z.strictObject({ kind: z.literal('hub') }),
  z.strictObject({
    kind: z.literal('static'),
    stations: z.array(z.tuple([name(), name()])),
    unknown: z.enum(['drop', 'flood']),
  }),
  z.strictObject({
    kind: z.literal('isolated'),
    promiscuous: z.array(name()),
    communities: z.array(z.tuple([name(), z.array(name())])),
  }),
]);
const vale = z.strictObject({
  name: name(),
  patienceUs: u32(),
  macAge: u32(),
  lookup: lookup.optional(),
  stations: z
    .array(
      z.strictObject({
        mac: bytes(6).refine((mac) => mac.length === 6),
        port: name(),
        idleS: u32().optional(),
        static: z.boolean(),
      }),
    )
    .max(1024),
});
const interrupt = z.strictObject({
  fd: fd().optional(),
  maskFd: fd().optional(),
  unmaskFd: fd().optional(),
  masked: z.boolean(),
  pending: z.boolean(),
});
const session = z.strictObject({
  fd: fd(),
  bytes: bytes(2 ** 20 + 4096),
  fds: z.array(fd()).max(253),
  /** Answers that its client has not taken yet. */
  unsent: z.array(z.strictObject({ bytes: bytes(2 ** 24), fds: z.array(fd()).max(253) })).max(65_536),
  /** One that outlives its process: where that is written, and the pipe through which answers go. */
  kept: z.strictObject({ block: u32(), pipe: z.tuple([fd(), fd()]) }).optional(),
  attached: z.boolean(),
  maxMsgFds: u32(),
  maxDmaMaps: u32(),
  dma: z
    .array(
      z.strictObject({
        address: u64(),
        size: u64(),
        offset: u64(),
        flags: u32(),
        fd: fd().optional(),
      }),
    )
    .max(65_536),
  msix: z.array(interrupt).max(2048),
  err: interrupt,
  req: interrupt,
});
const csbAddress = z.strictObject({ high: u32(), low: u32(), address: u64() });
const ptnet = z.strictObject({
  registers: z.strictObject({
    guestToHost: csbAddress,
    hostToGuest: csbAddress,
    features: u32(),
    vnetHdrLen: u32(),
    result: z.number().int(),
    serving: z.boolean(),
  }),
  msix: bytes(2 ** 20),
  features: u32(),
  vnetHdrLen: u32(),
  policy: z.enum(['poll', 'adaptive', 'notify']),
  spinUs: u32(),
  worker: z.number().int().min(0).max(255).optional(),
  csb: z.strictObject({ guestToHost: u64(), hostToGuest: u64() }).optional(),
});
export const DeviceSchema = z.strictObject({
  vm: name(),
  name: name(),
  path: name(),
  listener: fd(),
  config: bytes(256),
  session: session.optional(),
  ptnet: ptnet.optional(),
});

export const HostStateSchema = z.strictObject({
  /** As a file would say it, with the run-dir. */
  config: z.string().max(2 ** 24),
  /** The one that it is read from. */
  file: name().optional(),
  stats: fd(),
  runDir: z.strictObject({ made: z.array(name()), sockets: z.array(name()), through: u32() }),
  /** The draft's, of a host in which none has changed since. */
  regions: z.union([z.literal('as drafted'), z.array(region).max(65_536)]),
  ports: z.array(port).max(65_536),
  switches: z.array(vale).max(65_536),
  interfaces: InterfacesSchema,
  devices: z.array(DeviceSchema).max(65_536),
  counters: CountersSchema,
  /** The socket at which they ask for ports. */
  applications: fd().optional(),
  /** Sockets of the host's own, by name; what is served by TCP is called `metrics`. */
  own: z.array(z.strictObject({ name: name(), fd: fd() })).max(16),
  /** What it is kept with for the case that it dies: whoever goes on in its place is kept with the same. */
  kept: z
    .strictObject({
      /** Of sessions. */
      blocks: fd(),
      state: fd(),
      /** What is stored, by number, and which file it is. */
      files: z.array(z.tuple([u32(), z.string().max(200)])).max(100_000),
      /** Sections of the state, by device. */
      sections: z.array(z.tuple([name(), u32()])).max(65_536),
    })
    .optional(),
});

/** As it is read. */
export type TakenState = z.output<typeof HostStateSchema>;
/** As it is told. */
export type GivenState = z.input<typeof HostStateSchema>;

/** What is said around it; the state itself comes in pieces behind `state`. */
export const MessageSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('hello'),
    protocol: u32(),
    state: u32(),
    version: z.string().max(100),
    /** Brings a configuration of its own. */
    file: z.boolean(),
    /** The host that has started it to go on in its place: it is for no other one. */
    startedBy: u32().optional(),
  }),
  z.strictObject({
    kind: z.literal('plan'),
    protocol: u32(),
    state: u32(),
    version: z.string().max(100),
    pid: u32(),
  }),
  z.strictObject({ kind: z.literal('refused'), why: z.string().max(60_000) }),
  z.strictObject({ kind: z.literal('go') }),
  z.strictObject({ kind: z.literal('draft'), bytes: count(), fds: count() }),
  z.strictObject({ kind: z.literal('state'), bytes: count(), fds: count() }),
  z.strictObject({ kind: z.literal('prepared') }),
  z.strictObject({ kind: z.literal('failed'), why: z.string().max(60_000) }),
  z.strictObject({ kind: z.literal('commit') }),
  z.strictObject({ kind: z.literal('serving') }),
  /** Instead of a plan: the host starts a process itself that goes on in its place, and says how that ends. */
  z.strictObject({ kind: z.literal('renewing'), pid: u32() }),
  z.strictObject({ kind: z.literal('renewed'), pid: u32(), version: z.string().max(100) }),
]);
export type Message = z.infer<typeof MessageSchema>;
