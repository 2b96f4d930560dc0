// `ptnet init`: a commented configuration file to begin with, made from one of the examples.
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type Example, exampleText, listExamples } from '../config/examples.ts';
import { alternatives, nearest } from '../config/nearest.ts';
import { quoted } from '../config/quote.ts';
import { ConfigurationError } from '../errors.ts';
import { shellQuote } from '../hypervisor/qemu.ts';
import type { Io } from './io.ts';

export const DEFAULT_FILE = 'ptnet.yaml';
export const DEFAULT_EXAMPLE = 'vale';

export interface InitOptions {
  readonly example: string;
  readonly force: boolean;
  readonly list: boolean;
  readonly json: boolean;
}

/** @param file `-`: stdout. */
export function init(file: string, options: InitOptions, io: Io): void {
  const examples = listExamples();
  if (options.list) {
    io.out(options.json ? `${JSON.stringify({ examples })}\n` : describe(examples));
    return;
  }
  const example = examples.find(({ name }) => name === options.example);
  if (!example) throw unknownExample(options.example, examples);
  if (file === '-') {
    io.out(exampleText(example.name, undefined));
    return;
  }
  write(file, exampleText(example.name, file), options.force);
  if (options.json) io.out(`${JSON.stringify({ file, example: example.name })}\n`);
  else io.out(`${file}: ${example.about}. 'ptnet up ${shellQuote(file)}' runs it.\n`);
}

function describe(examples: readonly Example[]): string {
  const width = Math.max(...examples.map(({ name }) => name.length));
  return examples.map(({ name, about }) => `${name.padEnd(width)}  ${about}\n`).join('');
}

function unknownExample(name: string, examples: readonly Example[]): ConfigurationError {
  const names = examples.map((example) => example.name);
  const guess = nearest(name, names);
  return new ConfigurationError(
    `--example: there is no example ${quoted(name)}: ${alternatives(guess ? [guess] : names)} would be right`,
  );
}

/** What is there stays whole until the new file is: it is written beside it first. */
function write(file: string, text: string, force: boolean): void {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat && !force)
    throw new ConfigurationError(
      `${file}: is there already: another name, or --force to replace it, would be right`,
    );
  if (stat && !stat.isFile())
    throw new ConfigurationError(`${file}: is not a file: another name would be right`);
  const beside = `${file}.new-${process.pid}`;
  try {
    const fd = openSync(beside, 'wx');
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    // Somebody else may have been faster.
    if (!force && existsSync(file)) throw new Error('somebody else has just made it');
    renameSync(beside, file);
  } catch (cause) {
    rmSync(beside, { force: true });
    throw new ConfigurationError(`${file}: cannot be written: ${(cause as Error).message}`, { cause });
  }
}
