// What the control API gives: the form of a host that runs, of its parts and of their figures.
import { z } from '@hono/zod-openapi';
import { DROP_CAUSES } from '../../native/stats.ts';
import { choice, form } from './forms.ts';

const count = () => z.number().int().min(0);
const drops = () =>
  z
    .object(
      Object.fromEntries(DROP_CAUSES.map((cause) => [cause, count()])) as Record<
        (typeof DROP_CAUSES)[number],
        z.ZodNumber
      >,
    )
    .describe('packets that were dropped, by cause; docs/counters.md explains each');

export const ProblemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    problems: z.array(z.string()).optional(),
  })
  .openapi('Problem', { description: 'RFC 9457: what is wrong, and what would be right' });

const policy = choice(['poll', 'adaptive', 'notify', 'inline']);
const logLevel = choice(['debug', 'info', 'warn', 'error']);

export const HostSchema = z
  .object({
    api: z.literal(1).describe('version of this API'),
    version: z.string(),
    pid: z.number().int(),
    startedAt: z.string().describe('ISO 8601'),
    file: z.string().optional().describe('the configuration that it was started with'),
    runDir: z.string(),
    logLevel,
    policy,
    spinUs: count(),
    workers: count(),
  })
  .openapi('Host');

export const RingSchema = z
  .object({
    dir: z.enum(['tx', 'rx']).describe("the guest's view"),
    ring: count(),
    packets: count(),
    bytes: count(),
    drops: drops(),
    kicks: count(),
    interrupts: count(),
    syncs: count(),
    badIndex: count(),
    reraised: count(),
    irqSlow: count(),
    memSlow: count(),
  })
  .openapi('Ring');

export const InterfaceSchema = z
  .object({
    name: z.string(),
    mtu: count(),
    made: z.boolean().describe('it was made by the host, and goes with it'),
    backpressure: z.boolean(),
    access: z.string(),
    gone: z.boolean(),
    up: z.boolean(),
    carrier: z.boolean(),
    lost: z.object({ full: count(), tooLarge: count(), refused: count() }).optional(),
  })
  .openapi('Interface');

export const DeviceSchema = z
  .object({
    name: z.string(),
    kind: z.enum(['memdev', 'ptnet']),
    socketPath: z.string(),
    connected: z.boolean().describe('a hypervisor is there'),
    port: z.string().optional(),
    mac: z.string().optional(),
    bar0: z.enum(['io', 'mem']).optional(),
    started: z.boolean().optional().describe("the guest's driver has done CREATE, and is served"),
    features: z
      .object({ vnetHdr: z.boolean(), vnetHdrLen: count() })
      .optional()
      .describe("what the guest's driver and the host have agreed on"),
    policy: policy.optional(),
    spinUs: count().optional(),
    worker: count().optional().describe('while it is started'),
    doorbells: z.enum(['message', 'eventfd']).optional(),
    complaints: z.record(z.string(), count()).describe('what its guest and its clients did wrong, by cause'),
  })
  .openapi('Device');

export const VmSchema = z
  .object({
    name: z.string(),
    memory: z.string(),
    machine: z.enum(['pc', 'q35']),
    region: z.string(),
    connected: z.boolean().describe('a hypervisor is there for all of its devices'),
    devices: z.array(DeviceSchema),
  })
  .openapi('Vm');

const rate = z.object({ perSecond: z.number(), burst: z.number() });

export const PortSchema = z
  .object({
    name: z.string(),
    kind: z.string(),
    vm: z.string().optional(),
    device: z.string().optional(),
    switch: z.string().optional(),
    region: z.string().optional(),
    txRings: count(),
    rxRings: count(),
    txSlots: count(),
    rxSlots: count(),
    vnetHdr: z.boolean(),
    mtu: count().optional(),
    limits: z
      .object({
        tx: rate.optional(),
        rx: rate.optional(),
        broadcast: rate.optional(),
        multicast: rate.optional(),
        unknownUnicast: rate.optional(),
      })
      .optional()
      .describe('bytes (tx, rx) and packets a second'),
    source: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
    verify: z.enum(['off', 'stamp', 'full']).optional(),
    interface: InterfaceSchema.optional(),
    sink: z.object({ lost: count(), late: count(), corrupt: count() }).optional(),
    rings: z.array(RingSchema),
  })
  .openapi('Port');

export const MemberSchema = z
  .object({
    name: z.string(),
    switch: z.string(),
    interface: InterfaceSchema,
    rings: z.array(
      RingSchema.pick({ dir: true, ring: true, packets: true, bytes: true, drops: true, syncs: true }),
    ),
  })
  .openapi('Member');

export const SwitchSchema = z
  .object({
    name: z.string(),
    index: count(),
    lookup: z.string(),
    patienceUs: count(),
    macAge: count().describe('seconds; 0: for ever'),
    ports: z.array(z.string()),
    members: z.array(z.string()),
  })
  .openapi('Switch');

const pool = z.object({ count: count(), size: count(), free: count() });

export const RegionSchema = z
  .object({
    name: z.string().describe("`lan`, or `vm:VM` for a VM's private one"),
    id: count(),
    shared: z.boolean(),
    vms: z.array(z.string()),
    memsize: count().describe('bytes that the pools take'),
    barSize: count(),
    hugepages: z.boolean(),
    numaNode: count().optional(),
    lost: z.boolean().describe('a VM has taken pages of it away'),
    pools: z.object({ if: pool, ring: pool, buf: pool }),
  })
  .openapi('Region');

export const WorkerSchema = z
  .object({
    worker: count(),
    cpus: z.array(count()).describe('empty: any'),
    rounds: count(),
    busyRounds: count(),
    cpuSeconds: z.number().min(0),
    parks: count(),
    wakeups: count(),
    idleWakeups: count(),
    sleeps: count(),
    servedInKick: count(),
    watchErrors: count(),
  })
  .openapi('Worker');

const deviceStats = z
  .object({
    name: z.string(),
    complaints: z.record(z.string(), count()),
    refused: count(),
    starved: count(),
    heldFds: count(),
    maxFds: count(),
    closingFds: count(),
  })
  .openapi('DeviceStats');

const portStats = PortSchema.pick({
  name: true,
  vm: true,
  device: true,
  rings: true,
  interface: true,
  sink: true,
}).openapi('PortStats');

export const StatsSchema = z
  .object({
    time: z.string().describe('ISO 8601'),
    ports: z.array(portStats),
    members: z.array(MemberSchema),
    devices: z.array(deviceStats),
    sockets: z.object({ doorbells: count(), messages: count(), slowServices: count() }),
    workers: z.array(WorkerSchema.omit({ worker: true, cpus: true })),
  })
  .openapi('Stats');

export type HostInfo = z.infer<typeof HostSchema>;
export type RingState = z.infer<typeof RingSchema>;
export type DeviceState = z.infer<typeof DeviceSchema>;
export type VmState = z.infer<typeof VmSchema>;
export type PortState = z.infer<typeof PortSchema>;
export type MemberState = z.infer<typeof MemberSchema>;
export type SwitchState = z.infer<typeof SwitchSchema>;
export type RegionState = z.infer<typeof RegionSchema>;
export type WorkerState = z.infer<typeof WorkerSchema>;
export type StatsState = z.infer<typeof StatsSchema>;

export const StationSchema = z
  .object({
    mac: z.string(),
    port: z.string(),
    idleS: count().optional().describe('seconds since it has sent something'),
    static: z.boolean(),
  })
  .openapi('Station');
export type StationState = z.infer<typeof StationSchema>;

export const CountSchema = z.object({ count: count() });

const yes = z.enum(['true', 'false', '1', '0']).optional();

export const ChangeQuery = z.strictObject({
  'dry-run': yes.describe('only say what would change'),
  force: yes.describe('take devices from VMs that are connected to them'),
});

export const ChangesSchema = z
  .object({
    changes: z.array(
      z.object({
        path: z.string(),
        op: z.enum(['add', 'remove', 'change']),
        from: z.string().optional(),
        to: z.string().optional(),
      }),
    ),
    refused: z.array(z.string()).describe('of a dry run: what stands against it'),
    warnings: z.array(z.string()).describe('what works, and what somebody may not have meant'),
  })
  .openapi('Changes');
export type ChangesState = z.infer<typeof ChangesSchema>;

// Bodies have the configuration file's own keys and values, and are checked by its schema; docs/configuration.md explains them.

export const FileSection = z.record(z.string(), z.unknown());

export const HostPatch = form({
  policy: policy.optional(),
  spinUs: count().optional(),
  logLevel: logLevel.optional(),
});
export const NewDevice = form({
  name: z.string().optional(),
  port: z.string(),
  mac: z.string().optional(),
  policy: policy.optional(),
  bar0: choice(['io', 'mem']).optional(),
});
export const NewVm = form({
  name: z.string(),
  memory: z.string().optional(),
  machine: choice(['pc', 'q35']).optional(),
  'pci-ids': z.string().optional(),
  region: z.string().optional(),
  'numa-node': count().optional(),
  devices: z.array(NewDevice),
});
export const DevicePatch = form({
  policy: policy.optional(),
  mac: z.string().optional(),
  bar0: choice(['io', 'mem']).optional(),
});
export const PortPatch = FileSection.describe("keys of the file's ports; null takes one away");
export const SwitchPatch = FileSection.describe("keys of the file's switches; null takes one away");
export const NewMember = FileSection.describe("keys of the file's ports, such as address");
