// The man page, made from the commands' own help.
import type { Command, Option } from 'commander';
import { allCommands, type CommandNode, commandTree, helpText } from '../../backend/cli/command-tree.ts';

/** Wide enough that nothing is broken but by man itself. */
const COLUMNS = 10_000;

export function manPage(program: Command, version: string): string {
  const root = commandTree(program);
  const sections = allCommands(root).slice(1);
  const { after } = helpText(root, COLUMNS);
  return [
    '.\\" Made from the commands; npm run generate makes it again.',
    `.TH PTNET 1 "" "ptnetmap ${version}" "ptnetmap"`,
    '.SH NAME',
    `ptnet \\- ${text(program.description())}`,
    '.SH SYNOPSIS',
    ...sections.filter((node) => node.commands.length === 0).flatMap(synopsis),
    '.SH COMMANDS',
    ...sections.flatMap(commandSection),
    '.SH OPTIONS',
    ...root.options.flatMap(optionLines),
    ...afterLines(after),
    '.SH FILES',
    '.TP\n.I /run/ptnetmap\nWhere the sockets of devices lie, unless the configuration says otherwise.',
    '.SH SEE ALSO',
    'The folder docs of the package: docs/README.md is where to begin.',
    '',
  ].join('\n');
}

const synopsis = ({ name, command }: CommandNode): string[] => [
  `.B ${text(name)}`,
  text(command.usage()),
  '.br',
];

function commandSection(node: CommandNode): string[] {
  const { after } = helpText(node, COLUMNS);
  const args = node.command.registeredArguments.flatMap((argument) => {
    const { description, defaultValue } = argument;
    const name = argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
    const choices = argument.argChoices ? ` (${argument.argChoices.join(', ')})` : '';
    const fallback = defaultValue === undefined ? '' : ` (default: ${JSON.stringify(defaultValue)})`;
    return ['.RS', '.TP', `.I ${text(name)}`, text(`${description}${choices}${fallback}`), '.RE'];
  });
  return [
    `.SS ${text(`${node.name} ${node.command.usage()}`)}`,
    text(node.command.description()),
    ...args,
    '.RS',
    ...node.options.filter(({ long }) => long !== '--help').flatMap(optionLines),
    '.RE',
    ...afterLines(after),
  ];
}

function optionLines(option: Option): string[] {
  const choices = option.argChoices ? ` (${option.argChoices.join(', ')})` : '';
  const { defaultValue } = option;
  const fallback =
    defaultValue === undefined || defaultValue === false ? '' : ` (default: ${JSON.stringify(defaultValue)})`;
  return ['.TP', `.B ${text(option.flags)}`, text(`${option.description}${choices}${fallback}`)];
}

/** What stands behind the options is laid out already. */
const afterLines = (after: string): string[] =>
  after === '' ? [] : ['.PP', '.nf', ...after.split('\n').map(text), '.fi'];

/** As it is, for roff: no request, no escape, and hyphens that can be copied. */
function text(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}
