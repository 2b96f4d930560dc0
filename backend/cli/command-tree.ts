// The commands of the program as data, for what is made from them: completion, the man page, the reference.
import type { Command, Help, Option } from 'commander';

export interface CommandNode {
  /** `ptnet plan` */
  readonly name: string;
  /** The same without the program: `plan`; empty: the program itself. */
  readonly path: string;
  readonly command: Command;
  readonly commands: readonly CommandNode[];
  readonly options: readonly Option[];
}

/** What stands behind an option or as an argument, as far as somebody can complete it. */
export type Values = { readonly choices: readonly string[] } | 'file' | 'folder' | 'other';

export function commandTree(command: Command, path = ''): CommandNode {
  const help: Help = command.createHelp();
  const commands = help.visibleCommands(command).filter((one) => command.commands.includes(one));
  return {
    name: ['ptnet', path].join(' ').trim(),
    path,
    command,
    commands: commands.map((one) => commandTree(one, `${path} ${one.name()}`.trim())),
    options: help.visibleOptions(command),
  };
}

/** A command and all below it. */
export function allCommands(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(allCommands)];
}

/** @param name `<file>`, `file` or `--run-dir <folder>`. */
export function valuesOf(name: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return { choices };
  if (/\bfile\b/i.test(name)) return 'file';
  return /\bfolder\b/i.test(name) ? 'folder' : 'other';
}

export const optionValues = (option: Option): Values | undefined =>
  option.required || option.optional ? valuesOf(option.flags, option.argChoices) : undefined;

/** Of the first argument of a command: the others are names that only a file knows. */
export function argumentValues({ command }: CommandNode): Values {
  const [first] = command.registeredArguments;
  return first === undefined ? 'other' : valuesOf(first.name(), first.argChoices);
}

/** What `--help` prints, in `columns`, and of it what stands behind the options. */
export function helpText({ command }: CommandNode, columns: number): { text: string; after: string } {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => columns,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return { text, after: text.slice(command.helpInformation().length).trim() };
}
