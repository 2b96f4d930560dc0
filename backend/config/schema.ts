// The form of a configuration file: kebab-case keys in, camelCase out, every error in one line.
import { isIP } from 'node:net';
import { z } from 'zod';
import { DEFAULT_PCI_IDS, PCI_IDS, type PciIds } from '../../pci/index.ts';
import { field, keyed, oneOf, quote, section, whole, word, yesOrNo } from './fields.ts';
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
import { macProblem } from './mac.ts';
import { portNameProblem } from './port-name.ts';
import { quoted, shown } from './quote.ts';
import { bitRate, bitRateProblem, burstProblem, burstSize, packetRate, packetRateProblem } from './rate.ts';
import { pathProblem } from './run-dir.ts';
import { parseSize } from './size.ts';
import type { Problem } from './source-text.ts';
import { valueIn } from './yaml-values.ts';

export type * from './host-config.ts';

/** Names become folders and files of sockets. */
const NAME = /^[0-9A-Za-z_][0-9A-Za-z_.-]{0,31}$/;
const MEMORY_STEP = 2 ** 20;

function nameProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && NAME.test(value)) return undefined;
  return `${quote(value)} is not a name: up to 32 letters, digits, _ . or - would be right`;
}

function deviceNameProblem(value: unknown): string | undefined {
  return value === 'mem'
    ? `'mem' is the memory device's own name: 'net0' would be right`
    : nameProblem(value);
}

function switchNameProblem(value: string): string | undefined {
  if (/^vale[0-9A-Za-z_]*$/.test(value)) return undefined;
  return `${quoted(value)} is not a switch: a name that starts with vale, such as 'vale0', would be right`;
}

function memoryProblem(value: unknown): string | undefined {
  const bytes = typeof value === 'string' ? parseSize(value) : undefined;
  if (bytes === undefined) return `${quote(value)} is not a size: '512M' would be right`;
  return bytes % MEMORY_STEP === 0 ? undefined : `'${value}' is not whole megabytes: '512M' would be right`;
}

/** Octal as it is written: YAML takes `0660` for 660. */
function modeProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && /^(0o?)?6[0246]{2}$/.test(value)) return undefined;
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
    : `${quote(value)} is not a number of packets: 1000000 or 'unlimited' would be right`;
}

function macAgeProblem(value: unknown): string | undefined {
  const fine =
    Number.isSafeInteger(value) && (value as number) >= MAC_AGE.min && (value as number) <= MAC_AGE.max;
  return fine || value === 'off'
    ? undefined
    : `${quote(value)} is not a number of seconds from ${MAC_AGE.min} to ${MAC_AGE.max}: 300 or 'off' would be right`;
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
  field<string>((value) =>
    typeof value === 'string'
      ? portProblem(value)
      : `${quote(value)} is not a port name: 'vale0:1' in quotes would be right`,
  );

const mac = (multicast: boolean) =>
  field<string>((value) =>
    typeof value === 'string'
      ? macProblem(value, { multicast })
      : `${quote(value)} is not a MAC address: '02:00:00:00:01:00' in quotes would be right`,
  ).transform((value) => value.toLowerCase());

const policy = () => oneOf('poll', 'adaptive', 'notify', 'inline');

const ringKeys = {
  'tx-rings': whole(RINGS).optional(),
  'rx-rings': whole(RINGS).optional(),
  'tx-slots': whole(SLOTS).optional(),
  'rx-slots': whole(SLOTS).optional(),
};

const rateSection = section({
  tx: field<string | number>(bitRateProblem).transform(bitRate).optional(),
  rx: field<string | number>(bitRateProblem).transform(bitRate).optional(),
  burst: field<string | number>(burstProblem).transform(burstSize).optional(),
});

/** One rate for both directions, or what each has. */
const rate = () =>
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
  }, rateSection);

const stormRate = () => field<string | number>(packetRateProblem).transform(packetRate).optional();

const limitKeys = {
  rate: rate().optional(),
  'storm-control': section({
    broadcast: stormRate(),
    multicast: stormRate(),
    'unknown-unicast': stormRate(),
  }).optional(),
};

/** One, or a list. */
const addresses = () =>
  z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(field<string>(addressProblem)));

const sourceSchema = section({
  packets: field<number | 'unlimited'>(packetsProblem).default('unlimited'),
  size: whole(PACKET_SIZE).default(60),
  payload: oneOf('none', 'stamp', 'full').default('stamp'),
  rate: whole(RATE).default(0),
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
  'if-size': whole(REGION_LIMITS.ifSize).default(1024),
  'ring-num': whole(REGION_LIMITS.ringNum).default(200),
  'ring-size': whole(REGION_LIMITS.ringSize).default(36_864),
  'buf-num': whole(REGION_LIMITS.bufNum).default(163_840),
  'buf-size': whole(REGION_LIMITS.bufSize).default(2048),
  hugepages: yesOrNo().default(false),
  'numa-node': whole(NUMA_NODE).optional(),
});

const deviceSchema = section({
  name: word(deviceNameProblem).optional(),
  port: portName(),
  mac: mac(false).optional(),
  policy: policy().optional(),
  bar0: oneOf('io', 'mem').default('io'),
});

const vmSchema = section({
  memory: field<string>(memoryProblem)
    .default('512M')
    .transform((value) => value.toUpperCase()),
  machine: oneOf('pc', 'q35').default('pc'),
  'pci-ids': oneOf(...(Object.keys(PCI_IDS) as PciIds[])).default(DEFAULT_PCI_IDS),
  region: word(nameProblem).optional(),
  'numa-node': whole(NUMA_NODE).optional(),
  devices: z
    .array(deviceSchema, {
      error: (issue) => `${quote(issue.input)} is not a list: '- port: vale0:1' would be right`,
    })
    .min(1, { error: `the list is empty: '- port: vale0:1' would be right` }),
});

export const fileSchema = section({
  'run-dir': field<string>(pathProblem).default('/run/ptnetmap'),
  'socket-mode': word(modeProblem)
    .transform((text) => Number.parseInt(text.replace(/^0o/, ''), 8))
    .optional(),
  'socket-group': word(groupProblem).optional(),
  engine: section({
    workers: whole(WORKERS).optional(),
    cpus: z
      .array(whole(CPU), { error: (issue) => `${quote(issue.input)} is not a list: '[0]' would be right` })
      .min(1, { error: "the list is empty: '[0]' would be right" })
      .optional(),
    'numa-node': whole(NUMA_NODE).optional(),
    policy: policy().default('adaptive'),
    'spin-us': whole(SPIN_US).default(100),
  }),
  regions: keyed("a name such as 'lan' with its pools", nameProblem, regionSchema),
  switches: keyed(
    "a name such as 'vale0'",
    switchNameProblem,
    section({
      ...ringKeys,
      ...limitKeys,
      'vnet-hdr': yesOrNo().optional(),
      mtu: whole(TAP_MTU).optional(),
      members: z
        .array(portName(), {
          error: (issue) => `${quote(issue.input)} is not a list: '[tap:lan]' would be right`,
        })
        .default([]),
      'patience-us': whole(PATIENCE_US).default(50),
      'mac-age': field<number | 'off'>(macAgeProblem).default(300),
    }),
  ),
  ports: keyed(
    "a port name such as 'null:a'",
    portProblem,
    section({
      ...ringKeys,
      ...limitKeys,
      address: addresses().optional(),
      netns: word(netnsProblem).optional(),
      mtu: whole(TAP_MTU).optional(),
      access: oneOf('auto', 'af-xdp', 'af-packet').optional(),
      'vnet-hdr': yesOrNo().optional(),
      source: sourceSchema.optional(),
      sink: sinkSchema.optional(),
    }),
  ),
  vms: keyed("a name such as 'vm1' with its devices", nameProblem, vmSchema),
});

/** What a file says, with the defaults that do not depend on the rest of it. */
export type FileConfig = z.output<typeof fileSchema>;

/** What is wrong with the form of a file. */
export function formProblems(error: z.ZodError): Problem[] {
  return error.issues.map((issue) => {
    const key: unknown = issue.code === 'custom' ? issue.params?.key : undefined;
    return { path: formatPath(issue.path), text: issue.message, ...(typeof key === 'string' && { key }) };
  });
}

/** `vms.vm1.devices[0].port`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const part = /^[\w-]+$/.test(String(key)) ? shown(String(key)) : quoted(String(key));
    return text === '' ? part : `${text}.${part}`;
  }, '');
}
