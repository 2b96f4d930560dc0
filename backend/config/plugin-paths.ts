// Paths of plug-ins: each starts where whoever says it works, which a host that is asked by another process does not know.
import { isAbsolute, resolve } from 'node:path';
import type { HostConfig } from './host-config.ts';
import { quoted } from './quote.ts';
import { formatPath } from './schema.ts';
import type { Problem } from './source-text.ts';

/** @param folder where relative ones start; null: nobody knows, and they are mistakes. */
export function absolutePlugins(
  config: HostConfig,
  folder: string | null,
): { config: HostConfig; problems: Problem[] } {
  const problems: Problem[] = [];
  const switches = new Map(config.switches);
  for (const [name, vale] of switches) {
    const { lookup } = vale;
    if (lookup?.kind !== 'plugin' || isAbsolute(lookup.path)) continue;
    if (folder !== null) {
      switches.set(name, { ...vale, lookup: { ...lookup, path: resolve(folder, lookup.path) } });
      continue;
    }
    problems.push({
      path: formatPath(['switches', name, 'lookup', 'plugin']),
      text: `${quoted(lookup.path)} starts where the asker works, and the host does not know where that is: an absolute path would be right`,
    });
  }
  return { config: { ...config, switches }, problems };
}
