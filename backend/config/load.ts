// Reads a configuration file and gives the host's configuration, or says of each mistake where it stands and what would be right.
import { ConfigurationError } from '../errors.ts';
import type { HostConfig } from './host-config.ts';
import { type NumaNodes, readNumaNodes } from './numa-nodes.ts';
import { readConfigFile } from './read-file.ts';
import { resolveConfig } from './resolve.ts';
import { pathProblem } from './run-dir.ts';
import { fileSchema, formProblems } from './schema.ts';
import { checkConfig } from './semantics.ts';
import type { Problem, SourceText } from './source-text.ts';
import { parseYaml } from './yaml-values.ts';

/** What a command line says instead of the file. */
export interface Overrides {
  readonly runDir?: string;
}

export function loadConfig(file: string, overrides: Overrides = {}): HostConfig {
  return parseConfig(readConfigFile(file), file, overrides);
}

/** The same from a text; `file` is its name in messages, `nodes` what it may place workers and memory on. */
export function parseConfig(
  text: string,
  file: string,
  overrides: Overrides = {},
  nodes: NumaNodes = readNumaNodes(),
): HostConfig {
  const yaml = parseYaml(text, file);
  const parsed = fileSchema.safeParse(yaml.value);
  if (!parsed.success) throw problemsIn(yaml.source, formProblems(parsed.error));
  const wrong = overrides.runDir === undefined ? undefined : pathProblem(overrides.runDir);
  if (wrong !== undefined) throw new ConfigurationError(`--run-dir: ${wrong}`);
  const config = resolveConfig({ ...parsed.data, ...overrides }, nodes);
  const problems = checkConfig(parsed.data, config, nodes);
  if (problems.length > 0) throw problemsIn(yaml.source, problems);
  return config;
}

/** More are not read; a file that is no configuration at all has thousands. */
const PROBLEMS_MAX = 10;

function problemsIn(source: SourceText, problems: readonly Problem[]): ConfigurationError {
  const shown = problems.slice(0, PROBLEMS_MAX).map((problem) => source.describe(problem));
  const more = problems.length - shown.length;
  if (more > 0) shown.push(`${source.file}: and ${more} more`);
  return new ConfigurationError(shown.join('\n'), {
    problems: problems.map(({ path, text }) => (path === '' ? text : `${path}: ${text}`)),
  });
}
