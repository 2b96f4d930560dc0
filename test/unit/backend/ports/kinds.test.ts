// The kinds of port: each has all that a kind has to have, and ports are made in the order in which they depend on each other.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../../backend/config/load.ts';
import { parsePortName } from '../../../../backend/config/port-name.ts';
import { PORT_KINDS } from '../../../../backend/ports/kinds/index.ts';
import { creationOrder } from '../../../../backend/ports/order.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), 'utf8');
const KINDS = Object.entries(PORT_KINDS);

/** The texts of all tests of a folder. */
function testsIn(...path: string[]): string {
  const tests = readdirSync(join(ROOT, ...path)).filter((name) => name.endsWith('.test.ts'));
  return tests.map((name) => read(...path, name)).join('\n');
}

/** How names of a form begin. */
const beginningOf = (form: string): string =>
  form
    .replace('S:P', '')
    .replace('X{id', 'p{1')
    .replace('X/', 'vale0:1/')
    .replace('NAME', '')
    .replace('IF', '');

// docs/hacking.md, "Adding a port", lists these places.
describe.each(KINDS)('%s', (kind, row) => {
  test('stands in a file of its own', () => {
    expect(existsSync(join(ROOT, 'backend', 'ports', 'kinds', `${kind}.ts`))).toBe(true);
  });

  test('has an example', () => {
    const folder = join(ROOT, 'examples');
    const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
    const ports = files.flatMap((name) => [...loadConfig(join(folder, name)).ports.keys()]);
    expect(ports.map((port) => parsePortName(port).kind)).toContain(kind);
  });

  test('has a row in docs/configuration.md for each form of its names', () => {
    const rows = read('docs', 'configuration.md')
      .split('\n')
      .filter((line) => line.startsWith('|'));
    for (const form of row.forms) {
      const written = form.replace('{id', '{ID').replace('}id', '}ID');
      expect(rows.filter((line) => line.includes(`\`${written}\``))).toHaveLength(1);
    }
  });

  test('has a class of its own and a test in C++', () => {
    expect(existsSync(join(ROOT, 'native', 'src', 'forward', HEADERS[kind as keyof typeof HEADERS]))).toBe(
      true,
    );
    const tests = readdirSync(join(ROOT, 'native', 'test'));
    expect(tests.filter((name) => name.startsWith(kind) && name.endsWith('_test.cc'))).not.toEqual([]);
  });

  test('carries packets in a test against a live host', () => {
    expect(testsIn('test', 'model')).toContain(`port: '${beginningOf(row.forms[0]!)}`);
  });

  test('has its names, right and nearly right, in a test of the configuration', () => {
    expect(testsIn('test', 'unit', 'backend', 'config')).toContain(`'${beginningOf(row.forms[0]!)}`);
  });

  test('is in the change log', () => {
    expect(read('CHANGELOG.md')).toMatch(new RegExp(kind, 'i'));
  });
});

/** Where the class of a kind is declared: a kind without a line here does not compile. */
const HEADERS = {
  vale: 'vale.h',
  pipe: 'pipe.h',
  null: 'null_port.h',
  echo: 'echo.h',
  tap: 'tap_port.h',
  netmap: 'netif_port.h',
  monitor: 'monitor.h',
} as const satisfies Record<keyof typeof PORT_KINDS, string>;

test('a port is made behind those that it depends on', () => {
  const after: Record<string, string[]> = { c: ['b'], b: ['a'], d: ['a', 'c'] };
  const order = creationOrder(['d', 'c', 'b', 'a', 'e'], (name) => after[name] ?? []);
  expect(order).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('a port that depends on itself, or on one that is not there, is refused', () => {
  const after: Record<string, string[]> = { a: ['b'], b: ['c'], c: ['a'], x: ['y'] };
  expect(() => creationOrder(['a', 'b', 'c'], (name) => after[name] ?? [])).toThrow(
    "'a': depends on itself, by a, b, c: a port that is made first would be right",
  );
  expect(() => creationOrder(['x'], (name) => after[name] ?? [])).toThrow(
    "'x': there is no port 'y': a device with it would be right",
  );
});
