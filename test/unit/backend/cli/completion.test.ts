// Completion: what the shells themselves make of the scripts, where they are installed, and that bash's are the program's words.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { completion, SHELLS } from '../../../../backend/cli/completion.ts';
import { createProgram } from '../../../../backend/cli/program.ts';
import { FakeIo } from './fake-io.ts';

const program = createProgram(new FakeIo(), () => Promise.reject(new Error('no host')));
const has = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-completion-'));
  writeFileSync(join(folder, 'a file.yaml'), '');
  mkdirSync(join(folder, 'folder'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What bash offers behind these words, the last of which is being typed. */
function inBash(...words: string[]): string[] {
  const script = `${completion('bash', program)}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_ptnet
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['-c', script, 'bash', 'ptnet', ...words], {
    cwd: folder,
    encoding: 'utf8',
  });
  return out.split('\n').filter((line) => line !== '');
}

describe('bash', () => {
  test('commands', () => {
    expect(inBash('')).toEqual(expect.arrayContaining(['init', 'up', 'plan', 'completion']));
    expect(inBash('pl')).toEqual(['plan']);
  });
  test('options', () => {
    expect(inBash('up', '--')).toEqual(expect.arrayContaining(['--stats', '--run-dir', '--json', '--help']));
    expect(inBash('up', '--st')).toEqual(['--stats']);
    expect(inBash('--v')).toEqual(['--version']);
  });
  test('values of options and arguments', () => {
    expect(inBash('plan', 'x', '--for', 'l')).toEqual(['libvirt']);
    expect(inBash('completion', '')).toEqual([...SHELLS]);
    expect(inBash('up', '--run-dir', 'f')).toEqual(['folder']);
    expect(inBash('up', 'a')).toEqual(['a file.yaml']);
  });
  test("a word of another command's is none here", () => {
    expect(inBash('plan', '--stat')).toEqual([]);
  });
});

test.each(SHELLS)('%s takes the script', (shell) => {
  const script = completion(shell, program);
  for (const command of program.commands) expect(script).toContain(command.name());
  // CI has all three.
  if (!has(shell)) expect(process.env.CI).toBeUndefined();
  else {
    const file = join(folder, `ptnet.${shell}`);
    writeFileSync(file, script);
    execFileSync(shell, ['-n', file]);
  }
});

test.skipIf(!has('zsh'))('zsh completes', () => {
  const shown = execFileSync(
    'zsh',
    [
      '-f',
      '-c',
      `autoload -Uz compinit; compinit -D -u; ${completion('zsh', program)}\n[[ $_comps[ptnet] == _ptnet ]] && print done`,
    ],
    { encoding: 'utf8', cwd: folder },
  );
  expect(shown).toBe('done\n');
});

test.skipIf(!has('fish'))('fish completes', () => {
  const script = join(folder, 'ptnet.fish');
  writeFileSync(script, completion('fish', program));
  const complete = (line: string): string[] =>
    execFileSync('fish', ['--no-config', '-c', `source ${script}; complete -C '${line}'`], {
      encoding: 'utf8',
      cwd: folder,
    })
      .split('\n')
      .map((offer) => offer.split('\t')[0]!)
      .filter((offer) => offer !== '');
  expect(complete('ptnet ')).toEqual(expect.arrayContaining(['init', 'plan', 'up']));
  expect(complete('ptnet plan x --for l')).toEqual(['libvirt']);
  expect(complete('ptnet up --st')).toEqual(['--stats']);
});
