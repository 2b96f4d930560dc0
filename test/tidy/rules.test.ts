// The tidy rules themselves: each finds what it is there to find, and no more.
import { describe, expect, test } from 'vitest';
import { checkDirections } from './directions.ts';
import {
  checkFileLength,
  checkFinished,
  checkFirstSentence,
  checkFunctionLength,
  checkNapi,
  checkNoSwitchedOffTests,
  checkNoUnboundedLog,
  checkReferences,
} from './rules.ts';

const lines = (count: number, line = 'x;'): string => `${line}\n`.repeat(count);

describe('import directions', () => {
  const imports = (path: string, target: string) =>
    checkDirections({ path, text: `import { x } from '${target}';` });
  test.each([
    ['pci/ptnet/ptnet.ts', '../bars.ts'],
    ['pci/bars.ts', 'node:assert/strict'],
    ['backend/host.ts', '../pci/index.ts'],
    ['backend/host.ts', '../native/kick.ts'],
    ['backend/host.ts', 'node:net'],
    ['guest-driver/model/device.ts', '../../pci/ptnet/registers.ts'],
    ['guest-driver/model/device.ts', '../../native/os.ts'],
    ['test/unit/a.test.ts', '../../backend/host.ts'],
    ['vm-images/fetch.ts', 'execa'],
  ])('%s may import %s', (path, target) => {
    expect(imports(path, target)).toEqual([]);
  });
  test.each([
    ['pci/bars.ts', '../backend/errors.ts', 'imports backend/errors.ts: pci/ may import only pci/'],
    ['pci/bars.ts', 'node:fs', 'imports node:fs: pci/ may use only node:assert/strict'],
    ['native/os.ts', '../pci/registers.ts', 'imports pci/registers.ts: native/ may import only native/'],
    ['guest-driver/model/device.ts', '../../pci/ptnet/ptnet.ts', 'imports pci/ptnet/ptnet.ts'],
    ['guest-driver/model/device.ts', '../../backend/host.ts', 'imports backend/host.ts'],
    ['guest-driver/model/device.ts', '../../native/kick.ts', 'imports native/kick.ts'],
    ['backend/host.ts', '../guest-driver/model/device.ts', 'imports guest-driver/model/device.ts'],
    ['backend/host.ts', '../test/harness/host.ts', 'imports test/harness/host.ts'],
    ['backend/host.ts', './measure/index.ts', 'imports backend/measure/index.ts'],
    ['backend/host.ts', '../vm-images/fetch.ts', 'imports vm-images/fetch.ts'],
    ['backend/measure/guests.ts', '../../test/harness/host.ts', 'imports test/harness/host.ts'],
    ['vm-images/fetch.ts', '../backend/errors.ts', 'imports backend/errors.ts'],
    ['backend/host.ts', './errors', 'imports ./errors: spell out its extension'],
    ['backend/host.ts', 'fs', "imports 'fs': spell it 'node:fs'"],
  ])('%s may not import %s', (path, target, complaint) => {
    expect(imports(path, target)).toEqual([expect.stringContaining(`${path}: ${complaint}`)]);
  });
  test.each([
    'import "../backend/errors.ts";',
    "import type { E } from '../backend/errors.ts';",
    "export * from '../backend/errors.ts';",
    "const e = await import('../backend/errors.ts');",
  ])('finds %s', (text) => {
    expect(checkDirections({ path: 'pci/bars.ts', text })).toHaveLength(1);
  });
  test('ports include the data path, never the other way round', () => {
    const port = '#include "forward/port.h"\n',
      flow = '#include "datapath/flow.h"\n';
    expect(checkDirections({ path: 'native/src/forward/pipe.h', text: flow })).toEqual([]);
    for (const path of ['native/src/datapath/broker.h', 'native/src/ring/kring.h']) {
      expect(checkDirections({ path, text: port })).toEqual([
        expect.stringContaining(`${path}: imports native/src/forward/port.h`),
      ]);
    }
  });
  test('the engine may not include the addon, the addon may include the engine', () => {
    const text = '#include "addon/addon.h"\n';
    expect(checkDirections({ path: 'native/src/ring/kring.cc', text })).toHaveLength(1);
    expect(checkDirections({ path: 'native/src/addon/main.cc', text })).toEqual([]);
  });
});

describe('the first sentence', () => {
  const check = (text: string, path = 'a.ts') => checkFirstSentence({ path, text }).length;
  test.each([
    ['// Reads the tree for a test.\n', 'a.ts'],
    ['// One thing: and another.\ncode();\n', 'a.ts'],
    ['// A sentence that goes on for\n// a second line.\n', 'a.cc'],
    ['/** Reads the tree for a test. */\n', 'a.ts'],
    ['/*\n * Reads the tree for a test.\n */\n', 'a.h'],
    ['#!/bin/sh\n# Runs all the checks.\n', '.ci/run'],
    ['# Builds the agent binary.\n', 'Makefile'],
    ['/* SPDX-License-Identifier: MIT */\n/* Reads the tree for a test. */\n', 'a.h'],
    ['// SPDX-License-Identifier: MIT\n/*\n * Reads the tree for a test.\n */\n', 'a.c'],
  ])('%j is one', (text, path) => {
    expect(check(text, path)).toBe(0);
  });
  test.each([
    ["import x from 'y';\n", 'a.ts'],
    ['// utils\n', 'a.ts'],
    ['// Reads the tree without an end\ncode();\n', 'a.ts'],
    ['\n// Reads the tree, but one line too late.\n', 'a.ts'],
    ['#pragma once\n// Reads the tree for a test.\n', 'a.h'],
    ['#!/bin/sh\nset -e\n', '.ci/run'],
    ['', 'a.ts'],
    ['// SPDX-License-Identifier: MIT\n#include <a.h>\n', 'a.c'],
  ])('%j is none', (text, path) => {
    expect(check(text, path)).toBe(1);
  });
});

describe('a file that is named', () => {
  const check = (text: string) =>
    checkReferences({ path: 'a.ts', text }, (path) => path === 'docs/hacking.md');
  test('has to be there', () => {
    expect(check('// See docs/hacking.md, and "spec/netmap-abi.md".')).toEqual([
      'a.ts: names spec/netmap-abi.md, which is not there',
    ]);
  });
  test('may be a pattern, an import, or somewhere else', () => {
    expect(check("`examples/KIND.yaml` import '../pci/gone.ts'; /usr/share/docs/x.md")).toEqual([]);
  });
});

test('a file may have 400 lines', () => {
  expect(checkFileLength({ path: 'a.ts', text: lines(400) })).toEqual([]);
  expect(checkFileLength({ path: 'a.ts', text: lines(401) })).toEqual([
    'a.ts: 401 lines, at most 400: split it',
  ]);
});

describe('function length', () => {
  const check = (path: string, text: string) => checkFunctionLength({ path, text });
  test.each([
    ['function f() {', '}'],
    ['const f = () => {', '};'],
    ['class C { f() {', '} }'],
    ['class C { constructor() {', '} }'],
  ])('%s', (open, close) => {
    expect(check('a.ts', `${open}\n${lines(68)}${close}\n`)).toEqual([]);
    expect(check('a.ts', `${open}\n${lines(69)}${close}\n`)).toEqual([
      expect.stringMatching(/^a\.ts:1: .* 71 lines/),
    ]);
  });
  test('a callback is not counted', () => {
    expect(check('a.ts', `describe('x', () => {\n${lines(100)}});\n`)).toEqual([]);
  });
  test('in C++, where namespaces and classes do not count', () => {
    const body = lines(69, '  x();');
    const text = (open: string) => `namespace ptnet {\n\n${open}\n${body}}\n\n}  // namespace ptnet\n`;
    expect(check('a.cc', text('int F(int a,\n      int b) {'))).toEqual([
      'a.cc:3: int F(int a, has 72 lines, at most 70: split it',
    ]);
    expect(check('a.cc', text('class C {'))).toEqual([]);
    expect(check('a.cc', `int A() {\n  x();\n}\n\nint B() {\n${lines(60, '  x();')}}\n`)).toEqual([]);
  });
});

test('only the addons include napi.h', () => {
  const text = '#include <napi.h>\n';
  expect(checkNapi({ path: 'native/src/addon/main.cc', text })).toEqual([]);
  expect(checkNapi({ path: 'guest-driver/addon/src/main.cc', text })).toEqual([]);
  expect(checkNapi({ path: 'native/src/ring/kring.h', text })).toHaveLength(1);
  expect(checkNapi({ path: 'native/src/ring/kring.h', text: '// Unlike <napi.h>.\n' })).toEqual([]);
});

describe('switched-off tests', () => {
  const check = (text: string, path = 'test/a.test.ts') => checkNoSwitchedOffTests({ path, text });
  test.each(['only', 'skip', 'todo'])('.%s is found on a line of its own', (word) => {
    expect(check(`\ntest.${word}('x', () => {});`)).toEqual([
      `test/a.test.ts:2: .${word}: a test runs or is deleted`,
    ]);
    expect(check(`describe.each([1]).${word}('x', () => {});`)).toHaveLength(1);
  });
  test('words in strings, comments and other names are not', () => {
    expect(check("// .only\nconst s = 'a.skip'; test.skipIf(x)('y', f);")).toEqual([]);
  });
  test('other folders may call things what they like', () => {
    expect(check('reader.skip(4);', 'backend/a.ts')).toEqual([]);
  });
});

describe('lines of the log without a rate', () => {
  const check = (text: string, path = 'backend/a.ts') => checkNoUnboundedLog({ path, text });
  test.each([
    "this.#log.warn({}, 'text');",
    "log.error({}, 'text');",
    "options.log?.info({}, 'text');",
    "logger[level]({}, 'text');",
    "console.log('text');",
    "process.stderr.write('text');",
  ])('%s is one', (text) => {
    expect(check(`\n${text}`)).toEqual([expect.stringMatching(/^backend\/a\.ts:2: /)]);
    expect(check(text, 'pci/a.ts')).toHaveLength(1);
    expect(check(text, 'backend/complaints.ts')).toEqual([]);
    expect(check(text, 'backend/cli/up.ts')).toEqual([]);
    expect(check(text, 'demo/a.ts')).toEqual([]);
  });
  test('a complaint is none, nor is a text that looks like one', () => {
    expect(check("complaints.add('cause', 'log.warn()'); // log.warn({})")).toEqual([]);
  });
});

test('work left for later is found', () => {
  expect(checkFinished({ path: 'a.ts', text: `\n// ${'TO'}${'DO'}: later\n` })).toHaveLength(1);
  expect(checkFinished({ path: 'a.ts', text: 'const todos = xxx;' })).toEqual([]);
});
