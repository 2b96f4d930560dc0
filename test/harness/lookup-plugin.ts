// The lookup plug-ins of the C++ tests, for tests of what looks at such files.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from './paths.ts';

/** The file of native/test/plugins/NAME.c, built where it is not. */
export function lookupPlugin(name: string): string {
  const folder = join(projectRoot(), 'native/test');
  const file = `build/plugins/${name}.so`;
  execFileSync('make', ['-s', '-C', folder, file]);
  return join(folder, file);
}
