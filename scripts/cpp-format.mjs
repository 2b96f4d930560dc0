// The layout of the C++ files: formats them or checks that they are formatted. Releases of clang-format differ in what they
// make of the same .clang-format, so it is Debian 12's or none.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const MAJOR = '14';

/** Why C++ cannot be formatted here; undefined when it can. */
function whyNot() {
  const { stdout, error } = spawnSync('clang-format', ['--version'], { encoding: 'utf8' });
  if (error !== undefined)
    return `clang-format is not installed: want release ${MAJOR} (apt install clang-format)`;
  const major = /version (\d+)\./.exec(stdout)?.[1];
  return major === MAJOR ? undefined : `clang-format is of release ${major}: want ${MAJOR}`;
}

/**
 * Runs clang-format over the C++ files that git does not ignore; false when they are not as they should be. Where it is missing a
 * line says so, and in CI that is a failure.
 */
export function formatCpp(root, { write }) {
  const missing = whyNot();
  if (missing !== undefined) {
    console.error(`ptnetmap: C++ was not ${write ? 'formatted' : 'checked for its layout'}: ${missing}`);
    return process.env.CI === undefined;
  }
  const tree = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.h', '*.cc', '*.c'];
  const { stdout } = spawnSync('git', tree, { cwd: root, encoding: 'utf8' });
  const files = (stdout ?? '').split('\0').filter((name) => name !== '' && existsSync(join(root, name)));
  if (files.length === 0) {
    console.error('ptnetmap: git names no C++ file here: want a checkout');
    return false;
  }
  const mode = write ? ['-i'] : ['--dry-run', '-Werror'];
  return spawnSync('clang-format', [...mode, ...files], { cwd: root, stdio: [0, 2, 2] }).status === 0;
}
