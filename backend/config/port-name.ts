// The grammar of netmap port names, as far as this host has the ports; backend/ports/kinds/ knows the kinds.
import { ConfigurationError } from '../errors.ts';
import { ALL_KINDS, kindOf, type PortName } from '../ports/kinds/index.ts';

export type { PortName } from '../ports/kinds/index.ts';

/** nmreq_header has 64 bytes for the name, with the terminating zero. */
const NAME_BYTES_MAX = 63;

function match(text: string): PortName | undefined {
  for (const kind of ALL_KINDS) {
    const name = kind.parse(text);
    if (!name) continue;
    const parent = kind.parentOf(name);
    return parent === undefined || match(parent) ? name : undefined;
  }
  return undefined;
}

/** `valeS:P, X{id, X}id or null:NAME`. */
function forms(): string {
  const all = ALL_KINDS.flatMap((kind) => kind.forms);
  return `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}

/** What netmap's grammar allows after a name, and this host does not have yet. */
const SUFFIXES = [
  [/@/, 'a region or options after @'],
  [/[\^*]/, 'host rings (^ or *)'],
  [/-[0-9]+$/, 'one ring pair (-k)'],
] as const;

/** Says why `text` is no name of ours, by the nearest thing that the writer may have meant. */
function problem(text: string): string {
  for (const kind of ALL_KINDS) {
    const hint = kind.hint(text, (part) => match(part) !== undefined);
    if (hint !== undefined) return hint;
  }
  for (const [pattern, what] of SUFFIXES) {
    const at = text.search(pattern);
    if (at > 0 && match(text.slice(0, at)))
      return `'${text}' asks for ${what}, which is not supported yet: '${text.slice(0, at)}' would be right`;
  }
  return `'${text}' is not a port name: ${forms()} would be right (letters A to Z, digits, _ and .)`;
}

/** What is wrong with `text` as a port name; undefined: nothing. */
export function portNameProblem(text: string): string | undefined {
  if (text.length > NAME_BYTES_MAX)
    return `'${text.slice(0, 20)}...' has ${text.length} characters: at most ${NAME_BYTES_MAX} would be right`;
  return match(text) ? undefined : problem(text);
}

export function parsePortName(text: string): PortName {
  const name = text.length <= NAME_BYTES_MAX ? match(text) : undefined;
  if (!name) throw new ConfigurationError(portNameProblem(text) ?? text);
  return name;
}

export function formatPortName(name: PortName): string {
  return kindOf(name).format(name);
}
