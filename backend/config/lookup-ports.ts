// Checks the names that a lookup function has in a configuration: ports of its switch, each once.
import { kindOf } from '../ports/kinds/index.ts';
import type { HostConfig, LookupConfig } from './host-config.ts';
import { alternatives, nearest } from './nearest.ts';
import { fail, type Placed } from './placed.ts';
import { quoted } from './quote.ts';
import { formatPath } from './schema.ts';

/** Throws a ConfigurationError for the first name that is on another switch or on none, or that is there twice. */
export function checkLookups(config: HostConfig, placed: readonly Placed[]): void {
  for (const [vale, { members, lookup }] of config.switches) {
    if (lookup === undefined) continue;
    const own = placed.filter(({ portName }) => kindOf(portName).switchOf(portName) === vale);
    const there = [...own.map(({ device }) => device.port), ...members];
    const check = (path: readonly PropertyKey[], name: string): void => {
      if (there.includes(name)) return;
      const guess = nearest(name, there);
      const right = there.length === 0 ? 'one that is' : alternatives(guess ? [guess] : there);
      fail(
        formatPath(['switches', vale, 'lookup', ...path]),
        `${quoted(name)} is not on switch '${vale}': ${right} would be right`,
      );
    };
    if (lookup.kind === 'static') for (const [mac, name] of lookup.stations) check(['static', mac], name);
    if (lookup.kind === 'isolated') checkIsolated(vale, lookup, check);
  }
}

function checkIsolated(
  vale: string,
  { promiscuous, communities }: Extract<LookupConfig, { kind: 'isolated' }>,
  check: (path: readonly PropertyKey[], name: string) => void,
): void {
  const places = new Map<string, string>();
  const lists = [
    { path: ['isolated', 'promiscuous'], place: 'promiscuous', names: promiscuous },
    ...[...communities].map(([community, names]) => ({
      path: ['isolated', 'communities', community],
      place: `in community '${community}'`,
      names,
    })),
  ];
  for (const { path, place, names } of lists)
    for (const [index, name] of names.entries()) {
      check([...path, index], name);
      const other = places.get(name);
      if (other !== undefined)
        fail(
          formatPath(['switches', vale, 'lookup', ...path, index]),
          `'${name}' is ${other} already: one place would be right`,
        );
      places.set(name, place);
    }
}
