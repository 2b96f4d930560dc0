// Holds the lock files in the state that 'npm ci' takes on every machine, whatever was installed where they were written.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

interface Locked {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

const read = (file: string) => JSON.parse(readFileSync(file, 'utf8'));

describe.each(['package-lock.json', 'scripts/nodes/package-lock.json'])('%s', (file) => {
  const places: Record<string, Locked> = read(file).packages;
  const packages = Object.entries(places).filter(([place]) => place !== '');

  /** Where Node would look for `name` from a package at `place`. */
  function found(place: string, name: string): boolean {
    for (let from = place; ; from = from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/')))) {
      if (`${from === '' ? '' : `${from}/`}node_modules/${name}` in places) return true;
      if (from === '') return false;
      if (!from.includes('/node_modules/')) return `node_modules/${name}` in places;
    }
  }

  test('every package that another one names is there, those of other platforms too', () => {
    const missing = packages.flatMap(([place, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => !found(place, name))
        .map((name) => `${place}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('packages are named by content, not by the registry that they came from', () => {
    expect(packages.length).toBeGreaterThan(0);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([place]) => place)).toEqual([]);
    expect(packages.filter(([, { integrity }]) => integrity === undefined).map(([place]) => place)).toEqual(
      [],
    );
  });
});

test('the releases of Node that package.json allows are those that tests run on', () => {
  const releases = Object.values<string>(read('scripts/nodes/package.json').dependencies);
  const others = releases.map((release) => /@(\d+)\./.exec(release)![1]);
  expect(read('package.json').engines.node).toBe(['^20.19', ...others].join(' || '));
});
