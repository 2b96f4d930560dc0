/** Reads the machine's own apt sources, both syntaxes, to learn which Debian mirror it uses. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** A keyring's path, a fingerprint or a whole key; undefined when apt's trusted keys apply. */
  readonly signedBy?: string;
}

const words = (text: string | undefined): string[] => text?.split(/\s+/).filter((word) => word !== '') ?? [];

/** One-line style: `deb [options] URI suite component...`; a source that is not `deb` is left out. */
export function parseSourcesList(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?([^#]*)/.exec(line);
    if (!match) continue;
    const [uri, suite, ...components] = words(match[2]);
    if (uri === undefined || suite === undefined) continue;
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(match[1] ?? '')?.[1];
    sources.push({ uris: [uri], suites: [suite], components, ...(signedBy && { signedBy }) });
  }
  return sources;
}

/** Fields of one deb822 stanza, names in lower case; a line that starts with a space continues the field before it. */
function parseStanza(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let last = '';
  for (const line of stanza.split('\n')) {
    const field = /^([!-9;-~]+):(.*)$/.exec(line);
    if (field) {
      last = field[1]!.toLowerCase();
      fields.set(last, field[2]!.trim());
    } else if (/^\s/.test(line) && last !== '') {
      fields.set(last, `${fields.get(last)} ${line.trim()}`.trim());
    }
  }
  return fields;
}

/** deb822 style (*.sources); disabled stanzas and those without `deb` are left out. */
export function parseDeb822(text: string): AptSource[] {
  const sources: AptSource[] = [];
  // Comments may stand inside a field's continuation lines: they go first.
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  for (const stanza of lines.join('\n').split(/\n\s*\n/)) {
    const fields = parseStanza(stanza);
    const enabled = !/^(no|false|off|without|disable|0)$/i.test(fields.get('enabled') ?? 'yes');
    if (!enabled || !words(fields.get('types')).includes('deb')) continue;
    const signedBy = fields.get('signed-by');
    sources.push({
      uris: words(fields.get('uris')),
      suites: words(fields.get('suites')),
      components: words(fields.get('components')),
      ...(signedBy && { signedBy }),
    });
  }
  return sources;
}

/** Suites of the Debian archive itself; others' repositories and the security archive carry other names or keys. */
const DEBIAN_SUITE =
  /^(buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)(-updates|-backports)?$/;

/** The first mirror of the Debian archive among `sources`, or undefined when there is none. */
export function findDebianMirror(sources: readonly AptSource[]): string | undefined {
  for (const source of sources) {
    const debian =
      source.suites.some((suite) => DEBIAN_SUITE.test(suite)) && source.components.includes('main');
    const foreignKey = source.signedBy?.startsWith('/') && !source.signedBy.includes('debian-archive');
    const uri = source.uris.find((candidate) => !candidate.startsWith('cdrom:'));
    if (debian && !foreignKey && uri !== undefined) return uri;
  }
  return undefined;
}

/** All sources configured below `etc`, in apt's order: sources.list, then the parts by name. */
export async function readAptSources(etc = '/etc/apt'): Promise<AptSource[]> {
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const parts = await readdir(join(etc, 'sources.list.d')).catch(() => []);
  const sources = parseSourcesList(await read(join(etc, 'sources.list')));
  for (const part of parts.sort()) {
    const path = join(etc, 'sources.list.d', part);
    if (part.endsWith('.list')) sources.push(...parseSourcesList(await read(path)));
    if (part.endsWith('.sources')) sources.push(...parseDeb822(await read(path)));
  }
  return sources;
}
