// How node-gyp is called: with Node's own headers where they are beside the program, so that nothing is downloaded.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

/** Of a distribution's package, or of Node's own archive. */
export function nodeGypArguments() {
  const prefix = join(dirname(process.execPath), '..');
  const nodedir = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
  return ['--loglevel=warn', `--jobs=${availableParallelism()}`, ...nodedir];
}
