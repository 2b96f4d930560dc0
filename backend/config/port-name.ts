// The grammar of netmap port names, as far as this host has the ports: `valeS:P`, `X{id`, `X}id`, `null:NAME`.
import { ConfigurationError } from '../errors.ts';

export type PortName =
  | { readonly kind: 'vale'; readonly switch: string; readonly port: string }
  | { readonly kind: 'pipe'; readonly parent: string; readonly id: string; readonly end: 'master' | 'slave' }
  | { readonly kind: 'null'; readonly name: string };

/** nmreq_header has 64 bytes for the name, with the terminating zero. */
const NAME_BYTES_MAX = 63;
const FORMS = 'valeS:P, X{id, X}id or null:NAME';

const VALE = /^vale([0-9A-Za-z_]*):([0-9A-Za-z_.]+)$/;
const PIPE = /^([0-9A-Za-z_.]+)([{}])([0-9A-Za-z_]+)$/;
const NULL = /^null:([0-9A-Za-z_.]+)$/;

function match(text: string): PortName | undefined {
  const vale = VALE.exec(text);
  if (vale) return { kind: 'vale', switch: vale[1]!, port: vale[2]! };
  const pipe = PIPE.exec(text);
  if (pipe)
    return { kind: 'pipe', parent: pipe[1]!, id: pipe[3]!, end: pipe[2] === '{' ? 'master' : 'slave' };
  const nul = NULL.exec(text);
  return nul ? { kind: 'null', name: nul[1]! } : undefined;
}

/** What netmap's grammar allows after a name, and this host does not have yet. */
const SUFFIXES = [
  [/@/, 'a region or options after @'],
  [/\//, 'flags after /'],
  [/[\^*]/, 'host rings (^ or *)'],
  [/-[0-9]+$/, 'one ring pair (-k)'],
] as const;

/** Says why `text` is no name of ours, by the nearest thing that the writer may have meant. */
function problem(text: string): string {
  const bare = /^netmap:(.*)$/.exec(text)?.[1];
  if (bare !== undefined && match(bare)?.kind === 'pipe')
    return `'${text}' has a prefix that is not used here: '${bare}' would be right`;
  if (bare !== undefined)
    return `'${text}' is an interface of the host, which is not supported yet: ${FORMS} would be right`;
  for (const [pattern, what] of SUFFIXES) {
    const at = text.search(pattern);
    if (at > 0 && match(text.slice(0, at)))
      return `'${text}' asks for ${what}, which is not supported yet: '${text.slice(0, at)}' would be right`;
  }
  if (/^vale[0-9A-Za-z_]*:?$/.test(text))
    return `'${text}' is a switch without a port: '${text.replace(/:$/, '')}:1' would be right`;
  if (/^null:?$/.test(text)) return `'${text}' is a null port without a name: 'null:a' would be right`;
  const pipe = /^(.*:.*)([{}][0-9A-Za-z_]+)$/.exec(text);
  if (pipe && match(pipe[1]!))
    return `'${text}' is a pipe of another port, which is not supported yet: 'p${pipe[2]}' would be right`;
  return `'${text}' is not a port name: ${FORMS} would be right (letters, digits, _ and .)`;
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
  if (name.kind === 'vale') return `vale${name.switch}:${name.port}`;
  if (name.kind === 'null') return `null:${name.name}`;
  return `${name.parent}${name.end === 'master' ? '{' : '}'}${name.id}`;
}

/** The other end of a pipe. */
export function peerOf(name: PortName & { kind: 'pipe' }): PortName & { kind: 'pipe' } {
  return { ...name, end: name.end === 'master' ? 'slave' : 'master' };
}
