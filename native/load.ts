// Loads the addons that node-gyp built, from the sources as well as from dist/.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's root: the nearest folder above this file that holds package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('ptnetmap: no package.json above the native loader');
    folder = parent;
  }
  return folder;
}

/**
 * Loads `FOLDER/build/Release/NAME.node`.
 * @throws Error naming the file and the command that builds it.
 */
export function loadAddon(folder: string, name: string): unknown {
  const file = join(packageRoot(), folder, 'build', 'Release', `${name}.node`);
  if (!existsSync(file)) throw new Error(`${file}: not built: run 'npm run build'`);
  return createRequire(import.meta.url)(file);
}
