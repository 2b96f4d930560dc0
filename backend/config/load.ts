// Reads a configuration file and gives the host's configuration, or says in one line what would be right.
import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { ConfigurationError } from '../errors.ts';
import type { HostConfig } from './host-config.ts';
import { type NumaNodes, readNumaNodes } from './numa-nodes.ts';
import { resolveConfig } from './resolve.ts';
import { fileSchema, firstProblem } from './schema.ts';
import { checkConfig } from './semantics.ts';

/** What a command line says instead of the file. */
export interface Overrides {
  readonly runDir?: string;
}

export function loadConfig(file: string, overrides: Overrides = {}): HostConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigurationError(`${file}: cannot be read: ${why}`, { cause });
  }
  return parseConfig(text, file, overrides);
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

function parseYaml(text: string, file: string): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const error = document.errors[0];
  if (error) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    // The braces of a pipe's name end a flow mapping early.
    const hint = /\w[{}]\w/.test(text.split('\n')[line - 1] ?? '')
      ? `: a pipe's name in quotes, as in 'p{1', would be right`
      : '';
    throw new ConfigurationError(`${file}:${line}:${col}: ${error.message.split('\n')[0]}${hint}`, {
      cause: error,
    });
  }
  return document.toJS();
}
