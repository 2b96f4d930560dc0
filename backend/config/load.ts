// Reads a configuration file and gives the host's configuration, or says in one line what would be right.
import { ConfigurationError } from '../errors.ts';
import type { HostConfig } from './host-config.ts';
import { type NumaNodes, readNumaNodes } from './numa-nodes.ts';
import { readConfigFile } from './read-file.ts';
import { resolveConfig } from './resolve.ts';
import { pathProblem } from './run-dir.ts';
import { fileSchema, firstProblem } from './schema.ts';
import { checkConfig } from './semantics.ts';
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
  const parsed = fileSchema.safeParse(parseYaml(text, file));
  if (!parsed.success) throw new ConfigurationError(`${file}: ${firstProblem(parsed.error)}`);
  const wrong = overrides.runDir === undefined ? undefined : pathProblem(overrides.runDir);
  if (wrong !== undefined) throw new ConfigurationError(`--run-dir: ${wrong}`);
  const config = resolveConfig({ ...parsed.data, ...overrides }, nodes);
  try {
    checkConfig(parsed.data, config, nodes);
  } catch (cause) {
    if (cause instanceof ConfigurationError)
      throw new ConfigurationError(`${file}: ${cause.message}`, { cause });
    throw cause;
  }
  return config;
}
