// `ptnet init`: files that a host takes, that say what to do with them, and that replace nothing.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EXIT_USAGE, run } from '../../../../backend/cli/program.ts';
import { listExamples } from '../../../../backend/config/examples.ts';
import { loadConfig } from '../../../../backend/config/load.ts';
import { SCHEMA_FILE } from '../../../../backend/package-files.ts';
import { FakeIo } from './fake-io.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-init-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function ptnet(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = new FakeIo();
  const code = await run(['init', ...args], io, () => Promise.reject(new Error('starts a host')));
  return { code, out: io.stdout, err: io.stderr };
}

describe.each(listExamples().map(({ name }) => name))('example %s', (name) => {
  test('is a configuration, with its own name in the comments and a schema that is there', async () => {
    const file = join(folder, 'my host.yaml');
    const { code, out } = await ptnet(file, '--example', name);
    expect(code).toBe(0);
    expect(out.startsWith(`${file}: `)).toBe(true);
    expect(loadConfig(file).vms.size).toBeGreaterThan(0);
    const text = readFileSync(file, 'utf8');
    expect(text.split('\n')[0]).toBe(`# yaml-language-server: $schema=${SCHEMA_FILE}`);
    expect(existsSync(SCHEMA_FILE)).toBe(true);
    expect(text).toMatch(/^#.*ptnet up /m);
    expect(text).toContain(`'${file}'`);
    expect(text).not.toMatch(/examples\/|npx/);
  });
});

test('--list has a line for each, and as JSON', async () => {
  const { out } = await ptnet('--list');
  expect(out).toMatch(/^pipe +A pipe between two VMs$/m);
  expect(out).not.toContain('firewall');
  const { examples } = JSON.parse((await ptnet('--list', '--json')).out);
  expect(examples.map(({ name }: { name: string }) => name)).toContain('vale');
});

test('- is stdout', async () => {
  const { out } = await ptnet('-', '--example', 'null');
  expect(out).toContain('ptnet up FILE');
  expect(readdirSync(folder)).toEqual([]);
});

test.each(['größe.yaml', '配置.yaml', 'ملف.yaml', "it's.yaml", '-x.yaml'])(
  'a file called %s',
  async (name) => {
    const file = join(folder, name);
    expect((await ptnet(file)).code).toBe(0);
    expect(loadConfig(file).vms.size).toBe(2);
  },
);

test('a name with a line break ends no comment', async () => {
  const file = join(folder, 'a\nvms: {}\n.yaml');
  expect((await ptnet(file)).code).toBe(0);
  expect(readFileSync(file, 'utf8')).toContain('ptnet up FILE');
  expect(loadConfig(file).vms.size).toBe(2);
});

describe('nothing is lost', () => {
  test('a file that is there stays, unless --force', async () => {
    const file = join(folder, 'host.yaml');
    writeFileSync(file, 'mine');
    const { code, err, out } = await ptnet(file);
    expect({ code, out }).toEqual({ code: EXIT_USAGE, out: '' });
    expect(err).toBe(
      `ptnet: ${file}: is there already: another name, or --force to replace it, would be right\n`,
    );
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect((await ptnet(file, '--force')).code).toBe(0);
    expect(loadConfig(file).vms.size).toBe(2);
    expect(readdirSync(folder)).toEqual(['host.yaml']);
  });

  test('a dangling link, a folder and a device are no files', async () => {
    symlinkSync('/nowhere', join(folder, 'link'));
    mkdirSync(join(folder, 'folder'));
    for (const name of ['link', 'folder']) {
      expect((await ptnet(join(folder, name))).err).toContain('is there already');
      expect((await ptnet(join(folder, name), '--force')).err).toContain('is not a file');
    }
    expect((await ptnet('/dev/full', '--force')).err).toBe(
      'ptnet: /dev/full: is not a file: another name would be right\n',
    );
  });

  test('a folder that is not there', async () => {
    const file = join(folder, 'no', 'host.yaml');
    const { code, err } = await ptnet(file);
    expect(code).toBe(EXIT_USAGE);
    expect(err).toContain(`${file}: cannot be written: ENOENT`);
  });
});

test('an example that is not there', async () => {
  const { code, err } = await ptnet('--example', 'pip', join(folder, 'x'));
  expect(code).toBe(EXIT_USAGE);
  expect(err).toBe("ptnet: --example: there is no example 'pip': 'pipe' would be right\n");
});
