// The form of a configuration file: kebab-case keys in, camelCase out, every error in one line.
import { isIP } from 'node:net';
import { z } from 'zod';
import { DEFAULT_PCI_IDS, PCI_IDS, type PciIds } from '../../pci/index.ts';
import {
  field,
  formed,
  keyed,
  oneOf,
  problemsOfForm,
  quote,
  section,
  whole,
  word,
  yesOrNo,
} from './fields.ts';
import { formatPath } from './format-path.ts';
import {
  CPU,
  MAC_AGE,
  NUMA_NODE,
  PACKET_SIZE,
  PACKETS,
  PATIENCE_US,
  RATE,
  REGION_LIMITS,
  RINGS,
  SLOTS,
  SPIN_US,
  STREAM,
  TAP_MTU,
  WORKERS,
} from './limits.ts';
import { listener, listenerProblem } from './listener.ts';
import { lookupField } from './lookup.ts';
import { MAC_FORM, macProblem } from './mac.ts';
import { portNameProblem } from './port-name.ts';
import { quoted, shown } from './quote.ts';
import {
  BIT_RATE_FORM,
  BURST_FORM,
  bitRate,
  bitRateProblem,
  burstProblem,
  burstSize,
  PACKET_RATE_FORM,
  packetRate,
  packetRateProblem,
} from './rate.ts';
import { DEFAULT_RUN_DIR, pathProblem } from './run-dir.ts';
import { parseSize } from './size.ts';
import type { Problem } from './source-text.ts';
import { asWhole, BYTES, MICROSECONDS, PACKETS_EACH, SECONDS } from './units.ts';
import { valueIn } from './yaml-values.ts';

export { formatPath } from './format-path.ts';
export type * from './host-config.ts';

/** Names become folders and files of sockets. */
const NAME = /^[0-9A-Za-z_][0-9A-Za-z_.-]{0,31}$/;
const SWITCH_NAME = /^vale[0-9A-Za-z_]*$/;
const SOCKET_MODE = /^(0o?)?6[0246]{2}$/;
/** Bytes, with a unit. */
const MEMORY = /^[1-9][0-9]*[KMGTkmgt]$/;
const MEMORY_STEP = 2 ** 20;
/** Megabytes; nobody means less. */
const MEMORY_LEAST = 16;
const NAME_FORM = { type: ['string', 'number'] as ('string' | 'number')[], pattern: NAME.source };

function nameProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && NAME.test(value)) return undefined;
  return `${quote(value)} is not a name: up to 32 letters A to Z, digits, _ . or - would be right`;
}

function deviceNameProblem(value: unknown): string | undefined {
  return value === 'mem'
    ? `'mem' is the memory device's own name: 'net0' would be right`
    : nameProblem(value);
}

function switchNameProblem(value: string): string | undefined {
  if (SWITCH_NAME.test(value)) return undefined;
  return `${quoted(value)} is not a switch: a name that starts with vale, such as 'vale0', would be right`;
}

function memoryProblem(value: unknown): string | undefined {
  const bytes = typeof value === 'string' ? parseSize(value) : undefined;
  if (bytes === undefined)
    return `${quote(value)} is not a size: ${quoted(meantMemory(value))} would be right`;
  if (bytes % MEMORY_STEP === 0) return undefined;
  return `'${value}' is not whole megabytes: ${quoted(meantMemory(value))} would be right`;
}

/** A number without a unit is of megabytes while it is small, as QEMU has it. */
function meantMemory(value: unknown): string {
  const number = asWhole(value, BYTES) ?? 0;
  const plain = typeof value === 'number' || /^\d+$/.test(String(value));
  const bytes = plain && number < MEMORY_STEP ? number * MEMORY_STEP : number;
  const right = Math.ceil(bytes / MEMORY_STEP);
  return Number.isSafeInteger(bytes) && right >= MEMORY_LEAST ? `${right}M` : '512M';
}

/** Octal as it is written: YAML takes `0660` for 660. */
function modeProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && SOCKET_MODE.test(value)) return undefined;
  return `${quote(value)} is not the mode of a socket: '0660' would be right`;
}

function groupProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && /^[\w@\\][\w@.\\-]*$/.test(value)) return undefined;
  return `${quote(value)} is not a group: its name or number would be right`;
}

function packetsProblem(value: unknown): string | undefined {
  const fine = Number.isSafeInteger(value) && (value as number) >= PACKETS.min;
  return fine || value === 'unlimited'
    ? undefined
    : `${quote(value)} is not a number of packets: ${Math.max(asWhole(value, PACKETS_EACH) ?? 1_000_000, PACKETS.min)} or 'unlimited' would be right`;
}

function macAgeProblem(value: unknown): string | undefined {
  const fine =
    Number.isSafeInteger(value) && (value as number) >= MAC_AGE.min && (value as number) <= MAC_AGE.max;
  if (fine || value === 'off') return undefined;
  const asked = asWhole(value, SECONDS) ?? 0;
  const meant = asked >= MAC_AGE.min && asked <= MAC_AGE.max ? asked : 300;
  return `${quote(value)} is not a number of seconds from ${MAC_AGE.min} to ${MAC_AGE.max}: ${meant} or 'off' would be right`;
}

/** No name has a line break or the like in it, and a message about one stays on its line. */
const portProblem = (name: string): string | undefined =>
  shown(name).includes('\\')
    ? `${quoted(name)} is not a port name: 'vale0:1' would be right`
    : portNameProblem(name);

/** An address of an interface, with the length of its network's prefix. */
function addressProblem(value: unknown): string | undefined {
  const [, address = '', prefix] =
    typeof value === 'string' ? (/^([^/]+)(?:\/(\d{1,3}))?$/.exec(value) ?? []) : [];
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  if (family !== 0 && !address.includes('%') && Number(prefix ?? most) <= most) return undefined;
  return `${quote(value)} is not an address: '192.0.2.1/24' or '2001:db8::1/64' would be right`;
}

function netnsProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && /^[^\s\p{C}]+$/u.test(value) && value !== '.' && value !== '..')
    return undefined;
  return `${quote(value)} is not a network namespace: a name that 'ip netns' shows would be right`;
}

const portName = () =>
  field<string>(
    (value) =>
      typeof value === 'string'
        ? portProblem(value)
        : `${quote(value)} is not a port name: 'vale0:1' in quotes would be right`,
    { type: 'string', minLength: 1, maxLength: 63, examples: ['vale0:1'] },
  );

const mac = (multicast: boolean) =>
  field<string>(
    (value) =>
      typeof value === 'string'
        ? macProblem(value, { multicast })
        : `${quote(value)} is not a MAC address: '02:00:00:00:01:00' in quotes would be right`,
    { type: 'string', pattern: MAC_FORM.source, examples: ['02:00:00:00:01:00'] },
  ).transform((value) => value.toLowerCase());

const socketMode = () =>
  word(modeProblem, {
    type: ['string', 'integer'],
    pattern: SOCKET_MODE.source,
    examples: ['0660'],
  }).transform((text) => Number.parseInt(text.replace(/^0o/, ''), 8));

const socketGroup = () => word(groupProblem, { type: ['string', 'integer'], examples: ['kvm'] });

const policy = () => oneOf('poll', 'adaptive', 'notify', 'inline');

const ringKeys = {
  'tx-rings': whole(RINGS).optional(),
  'rx-rings': whole(RINGS).optional(),
  'tx-slots': whole(SLOTS).optional(),
  'rx-slots': whole(SLOTS).optional(),
};

const bits = () => field<string | number>(bitRateProblem, BIT_RATE_FORM);

const rateSection = section({
  tx: bits().transform(bitRate).optional(),
  rx: bits().transform(bitRate).optional(),
  burst: field<string | number>(burstProblem, BURST_FORM).transform(burstSize).optional(),
});

/** One rate for both directions, or what each has. */
const rate = () =>
  formed(
    z.preprocess((input, context) => {
      const value = valueIn(input);
      if (value instanceof Map) return value;
      const message = bitRateProblem(value);
      if (message === undefined)
        return new Map([
          ['tx', value],
          ['rx', value],
        ]);
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }, rateSection),
    [bits(), rateSection],
  );

const stormRate = () =>
  field<string | number>(packetRateProblem, PACKET_RATE_FORM).transform(packetRate).optional();

const limitKeys = {
  rate: rate().optional(),
  'storm-control': section({
    broadcast: stormRate(),
    multicast: stormRate(),
    'unknown-unicast': stormRate(),
  }).optional(),
};

/** One, or a list. */
const addresses = () => {
  const address = field<string>(addressProblem, { type: 'string', examples: ['192.0.2.1/24'] });
  const list = z.array(address);
  return formed(
    z.preprocess((value) => (Array.isArray(value) ? value : [value]), list),
    [address, list],
  );
};

const sourceSchema = section({
  packets: field<number | 'unlimited'>(packetsProblem, {
    anyOf: [{ type: 'integer', minimum: PACKETS.min }, { const: 'unlimited' }],
  }).default('unlimited'),
  size: whole(PACKET_SIZE, BYTES).default(60),
  payload: oneOf('none', 'stamp', 'full').default('stamp'),
  rate: whole(RATE, PACKETS_EACH).default(0),
  stream: whole(STREAM).default(0),
  dst: mac(true).optional(),
  src: mac(false).optional(),
});

const sinkSchema = section({
  verify: yesOrNo().default(false),
  payload: oneOf('stamp', 'full').optional(),
});

const regionSchema = section({
  id: whole(REGION_LIMITS.id).optional(),
  'if-num': whole(REGION_LIMITS.ifNum).default(100),
  'if-size': whole(REGION_LIMITS.ifSize, BYTES).default(1024),
  'ring-num': whole(REGION_LIMITS.ringNum).default(200),
  'ring-size': whole(REGION_LIMITS.ringSize, BYTES).default(36_864),
  'buf-num': whole(REGION_LIMITS.bufNum).default(163_840),
  'buf-size': whole(REGION_LIMITS.bufSize, BYTES).default(2048),
  hugepages: yesOrNo().default(false),
  'numa-node': whole(NUMA_NODE).optional(),
});

const deviceSchema = section({
  name: word(deviceNameProblem, NAME_FORM).optional(),
  port: portName(),
  mac: mac(false).optional(),
  policy: policy().optional(),
  bar0: oneOf('io', 'mem').default('io'),
});

const vmSchema = section({
  memory: field<string>(memoryProblem, { type: 'string', pattern: MEMORY.source, examples: ['512M'] })
    .default('512M')
    .transform((value) => value.toUpperCase()),
  machine: oneOf('pc', 'q35').default('pc'),
  'pci-ids': oneOf(...(Object.keys(PCI_IDS) as PciIds[])).default(DEFAULT_PCI_IDS),
  region: word(nameProblem, NAME_FORM).optional(),
  'numa-node': whole(NUMA_NODE).optional(),
  devices: z
    .array(deviceSchema, {
      error: (issue) => `${quote(issue.input)} is not a list: '- port: vale0:1' would be right`,
    })
    .min(1, { error: `the list is empty: '- port: vale0:1' would be right` }),
});

const controlSection = section({
  mode: socketMode().optional(),
  group: socketGroup().optional(),
  'read-mode': socketMode().optional(),
  'read-group': socketGroup().optional(),
  metrics: word(listenerProblem, { type: 'string', examples: ['127.0.0.1:9464'] })
    .transform(listener)
    .optional(),
});

export const fileSchema = section({
  'run-dir': field<string>(pathProblem, {
    type: 'string',
    minLength: 1,
    examples: ['/run/ptnetmap'],
  }).default(DEFAULT_RUN_DIR),
  'socket-mode': socketMode().optional(),
  'socket-group': socketGroup().optional(),
  control: controlSection,
  applications: section({
    'socket-mode': socketMode().optional(),
    'socket-group': socketGroup().optional(),
    region: word(nameProblem, NAME_FORM).optional(),
    ports: z
      .array(portName(), {
        error: (issue) => `${quote(issue.input)} is not a list: '[p}1]' would be right`,
      })
      .default([]),
  }).optional(),
  engine: section({
    workers: whole(WORKERS).optional(),
    cpus: z
      .array(whole(CPU), { error: (issue) => `${quote(issue.input)} is not a list: '[0]' would be right` })
      .min(1, { error: "the list is empty: '[0]' would be right" })
      .optional(),
    'numa-node': whole(NUMA_NODE).optional(),
    policy: policy().default('adaptive'),
    'spin-us': whole(SPIN_US, MICROSECONDS).default(100),
  }),
  regions: keyed("a name such as 'lan' with its pools", nameProblem, regionSchema, NAME),
  switches: keyed(
    "a name such as 'vale0'",
    switchNameProblem,
    section({
      ...ringKeys,
      ...limitKeys,
      'vnet-hdr': yesOrNo().optional(),
      mtu: whole(TAP_MTU, BYTES).optional(),
      members: z
        .array(portName(), {
          error: (issue) => `${quote(issue.input)} is not a list: '[tap:lan]' would be right`,
        })
        .default([]),
      'patience-us': whole(PATIENCE_US, MICROSECONDS).default(50),
      lookup: lookupField().optional(),
      'mac-age': field<number | 'off'>(macAgeProblem, {
        anyOf: [{ type: 'integer', minimum: MAC_AGE.min, maximum: MAC_AGE.max }, { const: 'off' }],
      }).default(300),
    }),
    SWITCH_NAME,
  ),
  ports: keyed(
    "a port name such as 'null:a'",
    portProblem,
    section({
      ...ringKeys,
      ...limitKeys,
      address: addresses().optional(),
      netns: word(netnsProblem).optional(),
      mtu: whole(TAP_MTU, BYTES).optional(),
      access: oneOf('auto', 'af-xdp', 'af-packet').optional(),
      'vnet-hdr': yesOrNo().optional(),
      source: sourceSchema.optional(),
      sink: sinkSchema.optional(),
    }),
  ),
  vms: keyed("a name such as 'vm1' with its devices", nameProblem, vmSchema, NAME),
});

/** What a file says, with the defaults that do not depend on the rest of it. */
export type FileConfig = z.output<typeof fileSchema>;

/** What is wrong with the form of a file. */
export function formProblems(issues: readonly z.core.$ZodIssue[]): Problem[] {
  return problemsOfForm(issues).map(({ path, message, key }) => ({
    path: formatPath(path),
    text: message,
    ...(key !== undefined && { key }),
  }));
}
