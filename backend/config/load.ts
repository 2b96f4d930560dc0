// Reads a configuration file and gives the host's configuration, or says of each mistake where it stands and what would be right.
import { ConfigurationError } from '../errors.ts';
import type { HostConfig } from './host-config.ts';
import { type NumaNodes, readNumaNodes } from './numa-nodes.ts';
import { absolutePlugins } from './plugin-paths.ts';
import { readConfigFile } from './read-file.ts';
import { resolveConfig } from './resolve.ts';
import { pathProblem } from './run-dir.ts';
import { fileSchema, formProblems } from './schema.ts';
import { checkConfig } from './semantics.ts';
import type { Problem } from './source-text.ts';
import { asYaml, parseYaml, type YamlValue } from './yaml-values.ts';

/** What a command line says instead of the file. */
export interface Overrides {
  readonly runDir?: string;
}

/** @param running of a host that is to become so */
export function loadConfig(file: string, overrides: Overrides = {}, running?: HostConfig): HostConfig {
  return parseConfig(readConfigFile(file), file, overrides, readNumaNodes(), running);
}

/**
 * The same from a text; `file` is its name in messages, `nodes` what it may place workers and memory on, `folder` where relative
 * paths of plug-ins start: null when nobody knows.
 */
export function parseConfig(
  text: string,
  file: string,
  overrides: Overrides = {},
  nodes: NumaNodes = readNumaNodes(),
  running?: HostConfig,
  folder: string | null = process.cwd(),
): HostConfig {
  const yaml = parseYaml(text, file);
  const describe = (problem: Problem): string => yaml.source.describe(problem);
  return understand(yaml.value, { file, folder, describe }, overrides, nodes, running);
}

/**
 * The same from what a program has: an object with the keys of a file, as docs/reference/configuration.md has them; `name` is what
 * messages begin with. @throws ConfigurationError
 */
export function configFrom(value: object, name = 'configuration'): HostConfig {
  const describe = (problem: Problem): string => `${name}: ${lineOf(problem)}`;
  return understand(asYaml(value), { file: name, folder: process.cwd(), describe }, {}, readNumaNodes());
}

/** What a host that runs is to become, by what a file would say. @throws ConfigurationError */
export function nextConfig(value: YamlValue, running: HostConfig): HostConfig {
  return understand(
    value,
    { file: 'the change', folder: null, describe: lineOf },
    {},
    readNumaNodes(),
    running,
  );
}

interface Source {
  readonly file: string;
  /** Where relative paths of plug-ins start; null: nobody knows. */
  readonly folder: string | null;
  describe(problem: Problem): string;
}

function understand(
  value: YamlValue,
  source: Source,
  overrides: Overrides,
  nodes: NumaNodes,
  running?: HostConfig,
): HostConfig {
  const parsed = fileSchema.safeParse(value, { reportInput: true });
  if (!parsed.success) throw problemsIn(source, formProblems(parsed.error.issues));
  const wrong = overrides.runDir === undefined ? undefined : pathProblem(overrides.runDir);
  if (wrong !== undefined) throw new ConfigurationError(`--run-dir: ${wrong}`);
  const resolved = resolveConfig({ ...parsed.data, ...overrides }, nodes, running);
  const { config, problems: relative } = absolutePlugins(resolved, source.folder);
  const problems = [...relative, ...checkConfig(parsed.data, config, nodes)];
  if (problems.length > 0) throw problemsIn(source, problems);
  return config;
}

const lineOf = ({ path, text }: Problem): string => (path === '' ? text : `${path}: ${text}`);

/** More are not read; a file that is no configuration at all has thousands. */
const PROBLEMS_MAX = 10;

function problemsIn(source: Source, problems: readonly Problem[]): ConfigurationError {
  const shown = problems.slice(0, PROBLEMS_MAX).map((problem) => source.describe(problem));
  const more = problems.length - shown.length;
  if (more > 0) shown.push(`${source.file}: and ${more} more`);
  return new ConfigurationError(shown.join('\n'), {
    problems: problems.map(lineOf),
    found: problems.map((problem) => ({ ...problem, described: source.describe(problem) })),
  });
}
