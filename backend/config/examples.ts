// The examples that come with the program, as files of somebody else: with that one's name in the comments, and a schema that its editor finds.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { shellQuote } from '../hypervisor/qemu.ts';
import { EXAMPLES_FOLDER, SCHEMA_FILE } from '../package-files.ts';
import { MODELINE } from './modeline.ts';
import { shown } from './quote.ts';

export interface Example {
  readonly name: string;
  /** The first sentence of its comment. */
  readonly about: string;
}

/** Those that are whole in one file; a folder of the same name holds what has to be built first. */
export function listExamples(): Example[] {
  return readdirSync(EXAMPLES_FOLDER)
    .filter((file) => file.endsWith('.yaml') && !existsSync(join(EXAMPLES_FOLDER, basename(file, '.yaml'))))
    .sort()
    .map((file) => ({
      name: basename(file, '.yaml'),
      about: firstSentence(readExample(basename(file, '.yaml'))),
    }));
}

/** @param file what it is going to be called, for its comments; undefined: not known. */
export function exampleText(name: string, file: string | undefined): string {
  // A comment ends with its line.
  const called = file === undefined || shown(file, file.length) !== file ? 'FILE' : shellQuote(file);
  const lines = readExample(name)
    .split('\n')
    .filter((line) => !line.startsWith(MODELINE));
  return [`${MODELINE}${SCHEMA_FILE}`, ...lines]
    .join('\n')
    .replaceAll(
      /^(#.*?)(?:npx |\.\/)?ptnet (up|plan|run|try|check|measure) (.*?)examples\/[\w-]+\.yaml/gm,
      (_, start: string, command: string, options: string) => `${start}ptnet ${command} ${options}${called}`,
    );
}

const readExample = (name: string): string => readFileSync(join(EXAMPLES_FOLDER, `${name}.yaml`), 'utf8');

function firstSentence(text: string): string {
  const lines = text.split('\n').filter((line) => !line.startsWith(MODELINE));
  const end = lines.findIndex((line) => !/^# \S/.test(line));
  const comment = lines
    .slice(0, end)
    .map((line) => line.slice(2))
    .join(' ');
  return /^.*?[.:](?= |$)/.exec(comment)?.[0].slice(0, -1) ?? comment;
}
