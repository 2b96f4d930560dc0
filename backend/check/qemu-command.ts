// Reads a QEMU command as QEMU does, as far as the checks ask about it: memory, machine, devices.

/** `a=b,c=d`, or the same in JSON; a text without `=` comes first and has the implied key. */
export type Properties = ReadonlyMap<string, string>;

export interface QemuDevice {
  readonly driver: string;
  readonly properties: Properties;
  /** Of a vfio-user-pci device. */
  readonly socket?: string;
}

export interface QemuCommand {
  readonly machine: string;
  readonly machineProperties: Properties;
  /** Of -cpu; empty: QEMU's own choice. */
  readonly cpu: string;
  /** Bytes of -m; undefined: it is not given, or not understood. */
  readonly memory: number | undefined;
  /** Memory backends by their ids. */
  readonly backends: ReadonlyMap<string, Properties>;
  /** Ids of backends that NUMA nodes of the guest have. */
  readonly nodes: readonly string[];
  readonly devices: readonly QemuDevice[];
}

const UNITS: Readonly<Record<string, number>> = {
  '': 2 ** 20,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

/** Bytes of a size as QEMU takes it; a number alone is in MiB for -m, and in bytes elsewhere. */
export function parseQemuSize(text: string, alone: '' | 'b' = 'b'): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([bkmgt]?)b?$/i.exec(text);
  if (!match) return undefined;
  return Math.round(Number(match[1]) * UNITS[match[2]!.toLowerCase() || alone]!);
}

/** Words of a POSIX shell's command: quotes, backslashes, comments, lines that go on. Nothing is expanded. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  const pattern = /\\\n|\s+|(?<![^\s])#[^\n]*|((?:\\[^\n]|'[^']*'|"(?:\\.|[^"\\])*"|[^\s\\'"])+)/gs;
  for (const [, word] of text.matchAll(pattern)) {
    if (word === undefined) continue;
    words.push(
      word.replaceAll(
        /\\(.)|'([^']*)'|"((?:\\.|[^"\\])*)"/gs,
        (_, escaped?: string, single?: string, double?: string) =>
          double === undefined ? (escaped ?? single ?? '') : double.replaceAll(/\\(["\\$`])/g, '$1'),
      ),
    );
  }
  return words;
}

/** @param implied the key of a first part without `=`. */
export function parseProperties(text: string, implied: string): Properties {
  if (text.trimStart().startsWith('{')) return flatten(text);
  return new Map(
    splitCommas(text).map((part, index): [string, string] => {
      const at = part.indexOf('=');
      if (at > 0) return [part.slice(0, at), part.slice(at + 1)];
      return index === 0 ? [implied, part] : [part, 'on'];
    }),
  );
}

/** A comma that is meant is written twice. */
function splitCommas(text: string): string[] {
  const [first, ...rest] = text.split(/(?<=(?:^|[^,])(?:,,)*),(?!,)/);
  return [first!, ...rest].map((part) => part.replaceAll(',,', ','));
}

/** Members of members have keys such as `socket.path`. */
function flatten(json: string): Properties {
  const flat = new Map<string, string>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) visit(inner, path === '' ? key : `${path}.${key}`);
    else flat.set(path, value === true ? 'on' : value === false ? 'off' : String(value));
  };
  try {
    visit(JSON.parse(json), '');
  } catch {
    flat.set('', json);
  }
  return flat;
}

/** @param args with or without the program in front. */
export function parseQemuCommand(args: readonly string[]): QemuCommand {
  const given = (option: string): string[] =>
    args.flatMap((arg, index) =>
      arg === `-${option}` || arg === `--${option}` ? [args[index + 1] ?? ''] : [],
    );
  const machine = given('machine')
    .concat(given('M'))
    .map((text) => parseProperties(text, 'type'));
  const machineProperties = new Map(machine.flatMap((one) => [...one]));
  const memory = parseProperties(given('m').at(-1) ?? '', 'size').get('size') ?? '';
  const objects = given('object').map((text) => parseProperties(text, 'qom-type'));
  const nodes = given('numa').map((text) => parseProperties(text, 'type').get('memdev'));
  return {
    machine: machineProperties.get('type') ?? 'pc',
    machineProperties,
    cpu: given('cpu').at(-1) ?? '',
    memory: parseQemuSize(memory, ''),
    backends: new Map(
      objects.flatMap((object) =>
        object.get('qom-type')?.startsWith('memory-backend-') ? [[object.get('id') ?? '', object]] : [],
      ),
    ),
    nodes: nodes.filter((id) => id !== undefined),
    devices: given('device').map((text) => {
      const properties = parseProperties(text, 'driver');
      const socket = properties.get('socket.path') ?? properties.get('path');
      return { driver: properties.get('driver') ?? '', properties, ...(socket !== undefined && { socket }) };
    }),
  };
}

/** The memory backends that make up the guest's RAM: the machine's, or its nodes'. */
export function memoryIds({ machineProperties, nodes }: QemuCommand): readonly string[] {
  const backend = machineProperties.get('memory-backend');
  return backend === undefined ? nodes : [backend];
}
