// Who may import whom, as a table, and the check that holds files against it.
import { existsSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import ts from 'typescript';
import { ROOT, type SourceFile } from './tree.ts';

interface Direction {
  /** The most specific row that a path starts with counts. */
  from: string;
  /** Folders (with a slash at the end), files, or patterns. */
  to: readonly (string | RegExp)[];
  /** Node's own modules that may be imported; all of them when not given. */
  node?: readonly string[];
}

const EVERYTHING = /^/;

export const DIRECTIONS: readonly Direction[] = [
  { from: 'pci/', to: ['pci/'], node: ['node:assert/strict'] },
  { from: 'native/', to: ['native/'] },
  // The engine knows nothing of Node: only the addon looks down on everything else.
  { from: 'native/src/', to: [/^native\/src\/(?!addon\/)/, 'native/include/'] },
  { from: 'native/src/addon/', to: ['native/src/'] },
  // What others compile their own programs with.
  { from: 'native/include/', to: ['native/include/'] },
  { from: 'examples/', to: ['examples/', 'native/include/'] },
  // From the ground up: rings, the data path that serves flows, and the ports whose flows they are.
  {
    from: 'native/src/ring/',
    to: [/^native\/src\/(memory|os|ring|stats)\//, 'native/src/datapath/notify.h'],
  },
  // What is inside packets: of rings it knows where packets are put.
  { from: 'native/src/packet/', to: [/^native\/src\/(packet|ring|stats)\//] },
  // Frames of the host's interfaces: of what is inside them, only the header that says what is left to do.
  { from: 'native/src/netif/', to: [/^native\/src\/(memory|netif|os)\//, 'native/src/packet/vnet_hdr.h'] },
  { from: 'native/src/datapath/', to: [/^native\/src\/(datapath|memory|os|ring|stats)\//] },
  // What a program loads: the guest's half of the protocol, and nothing of the host.
  { from: 'native/preload/', to: ['native/preload/', 'guest-driver/core/'] },
  { from: 'native/src/application/', to: [/^native\/src\/(application|datapath|os|ring|stats)\//] },
  // Whatever tests the engine drives it as a guest does, by the guest's own reading.
  { from: 'native/test/', to: [/^native\/(?!src\/addon\/)/, 'guest-driver/core/'] },
  { from: 'native/fuzz/', to: [/^native\/(?!src\/addon\/)/, 'guest-driver/core/'] },
  { from: 'native/model/', to: [/^native\/(?!src\/addon\/)/, 'guest-driver/core/'] },
  // The guest is a second reading of the interface: it shares register offsets and the os layer with the host, no logic.
  {
    from: 'guest-driver/',
    to: [
      'guest-driver/',
      /^pci\/[^/]+\/registers\.ts$/,
      'native/os.ts',
      'native/load.ts',
      /^native\/src\/os\//,
    ],
  },
  { from: 'guest-driver/core/', to: ['guest-driver/core/'] },
  { from: 'guest-driver/agent/', to: ['guest-driver/agent/', 'guest-driver/core/'] },
  { from: 'backend/', to: [/^backend\/(?!(measure|check)\/)/, 'pci/', 'native/'] },
  // The tool puts host, guests and VMs together: nothing else of the host knows that there are such.
  ...['backend/cli/', 'backend/measure/', 'backend/check/', 'backend/index.ts'].map((from) => ({
    from,
    to: ['backend/', 'pci/', 'native/', 'guest-driver/model/', 'vm-images/'],
  })),
  { from: 'vm-images/', to: ['vm-images/', 'native/load.ts'] },
  { from: 'demo/', to: ['demo/', 'backend/', 'vm-images/'] },
  { from: 'scripts/', to: [/^(?!test\/)/, 'test/harness/', 'test/bench/'] },
  { from: 'test/', to: [EVERYTHING] },
];

/** Folders that quoted includes are looked up in, after the file's own. */
const INCLUDE_ROOTS = ['native/src', 'guest-driver', 'guest-driver/core', 'guest-driver/addon/src', '.'];

export function checkDirections(file: SourceFile): string[] {
  const row = rowOf(file.path);
  if (row === undefined) return [];
  const complaints: string[] = [];
  for (const target of importsOf(file)) {
    if (target.startsWith('.') || target.startsWith('"')) complaints.push(...checkOurs(file, row, target));
    else if (builtinModules.includes(target)) {
      complaints.push(`${file.path}: imports '${target}': spell it 'node:${target}'`);
    } else if (target.startsWith('node:') && row.node !== undefined && !row.node.includes(target)) {
      complaints.push(`${file.path}: imports ${target}: ${row.from} may use only ${row.node.join(', ')}`);
    }
  }
  return complaints;
}

function checkOurs(file: SourceFile, row: Direction, target: string): string[] {
  const include = target.startsWith('"');
  const path = include
    ? resolveInclude(file.path, target.slice(1, -1))
    : posix.join(posix.dirname(file.path), target);
  // A header that is nowhere of ours comes from a package.
  if (path === undefined) return [];
  const complaints: string[] = [];
  const isModule = /\.(ts|mjs|js|json|node)$/.test(path);
  if (!include && !isModule) complaints.push(`${file.path}: imports ${target}: spell out its extension`);
  const allowed = row.to.some((to) =>
    typeof to === 'string' ? (to.endsWith('/') ? path.startsWith(to) : path === to) : to.test(path),
  );
  if (!allowed)
    complaints.push(`${file.path}: imports ${path}: ${row.from} may import only ${row.to.join(', ')}`);
  return complaints;
}

function rowOf(path: string): Direction | undefined {
  const rows = DIRECTIONS.filter(({ from }) => path.startsWith(from));
  return rows.sort((a, b) => b.from.length - a.from.length)[0];
}

function resolveInclude(from: string, name: string): string | undefined {
  const folders = [posix.dirname(from), ...INCLUDE_ROOTS];
  return folders.map((folder) => posix.join(folder, name)).find((path) => existsSync(join(ROOT, path)));
}

/** Module names as they are written; quoted includes keep their quotes. */
function importsOf({ path, text }: SourceFile): string[] {
  if (/\.(h|cc|c)$/.test(path))
    return [...text.matchAll(/^\s*#\s*include\s+("[^"]+")/gm)].map((match) => match[1]!);
  if (!/\.(ts|mjs|js)$/.test(path)) return [];
  return ts.preProcessFile(text, true, true).importedFiles.map((imported) => imported.fileName);
}
