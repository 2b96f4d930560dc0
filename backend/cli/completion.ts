// `ptnet completion`: what a shell needs to complete ptnet's commands, options and their values, made from the commands themselves.
import type { Command } from 'commander';
import {
  allCommands,
  argumentValues,
  type CommandNode,
  commandTree,
  optionValues,
  type Values,
} from './command-tree.ts';

const WRITERS = { bash, zsh, fish } as const;
export type Shell = keyof typeof WRITERS;
export const SHELLS = Object.keys(WRITERS) as Shell[];

export function completion(shell: Shell, program: Command): string {
  return WRITERS[shell](allCommands(commandTree(program)));
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const flagsOf = (node: CommandNode): string[] =>
  node.options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));

/** The word after which each command is: `vale:attach` for `vale attach`. */
const state = (path: string): string => path.replaceAll(' ', ':');

/** Lines of a shell's `case`, one for each subcommand: from the state before it to that after it. */
const steps = (nodes: readonly CommandNode[]): string =>
  nodes
    .flatMap(({ path, commands }) => commands.map((one) => [path, one.command.name(), one.path]))
    .map(([from, word, to]) => `      ${quote(`${state(from!)}/${word}`)}) at=${quote(state(to!))} ;;`)
    .join('\n');

/** The values of options, as branches of `case "$at/$previous"`. */
function valueBranches(nodes: readonly CommandNode[], say: (values: Values) => string): string {
  return nodes
    .flatMap((node) =>
      node.options.flatMap((option) => {
        const values = optionValues(option);
        if (values === undefined) return [];
        const flags = [option.short, option.long].filter((flag) => flag !== undefined);
        return flags.map((flag) => `    ${quote(`${state(node.path)}/${flag}`)}) ${say(values)}; return ;;`);
      }),
    )
    .join('\n');
}

/** The rest of a function of bash or zsh, behind a loop's head: goes to the state of the words typed so far, and completes there. */
const walk = (nodes: readonly CommandNode[], say: (values: Values) => string, words: readonly string[]) =>
  `    case $at/$word in
${steps(nodes)}
    esac
  done
  case $at/$previous in
${valueBranches(nodes, say)}
  esac
  case $at in
${words.join('\n')}
  esac`;

function bash(nodes: readonly CommandNode[]): string {
  const say = (values: Values): string => {
    if (values === 'file') return 'mapfile -t COMPREPLY < <(compgen -f -- "$current")';
    if (values === 'folder') return 'mapfile -t COMPREPLY < <(compgen -d -- "$current")';
    if (values === 'other') return ':';
    return `COMPREPLY=($(compgen -W ${quote(values.choices.join(' '))} -- "$current"))`;
  };
  const words = nodes.map((node) => {
    const names = node.commands.map(({ command }) => command.name());
    const plain = names.length > 0 ? say({ choices: names }) : say(argumentValues(node));
    return `    ${quote(state(node.path))})
      case $current in
        -*) COMPREPLY=($(compgen -W ${quote(flagsOf(node).join(' '))} -- "$current")) ;;
        *) ${plain} ;;
      esac ;;`;
  });
  return `# Completion of ptnet for bash: source <(ptnet completion bash)
_ptnet() {
  local IFS=$' \\t\\n' at= word current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
${walk(nodes, say, words)}
}
complete -o filenames -o bashdefault -F _ptnet ptnet
`;
}

function zsh(nodes: readonly CommandNode[]): string {
  const say = (values: Values): string => {
    if (values === 'file') return '_files';
    if (values === 'folder') return '_files -/';
    return values === 'other' ? ':' : `compadd -- ${values.choices.map(quote).join(' ')}`;
  };
  const described = (pairs: readonly (readonly [string, string])[]): string =>
    pairs.map(([word, text]) => quote(`${word.replaceAll(':', '\\:')}:${text}`)).join(' ');
  const words = nodes.map((node) => {
    const flags = node.options.flatMap(({ short, long, description }) =>
      [short, long].filter((flag) => flag !== undefined).map((flag) => [flag, description] as const),
    );
    const commands = node.commands.map(({ command }) => [command.name(), command.description()] as const);
    return `    ${quote(state(node.path))})
      if [[ $current == -* ]]; then
        found=(${described(flags)})
        _describe -o option found
      ${commands.length > 0 ? `else\n        found=(${described(commands)})\n        _describe command found` : `else\n        ${say(argumentValues(node))}`}
      fi ;;`;
  });
  return `#compdef ptnet
# Completion of ptnet for zsh: source <(ptnet completion zsh)
_ptnet() {
  local at= word current=$words[CURRENT] previous=$words[CURRENT-1]
  local -a found
  for word in $words[2,CURRENT-1]; do
${walk(nodes, say, words)}
}
if [ "$funcstack[1]" = _ptnet ]; then _ptnet "$@"; else compdef _ptnet ptnet; fi
`;
}

function fish(nodes: readonly CommandNode[]): string {
  const fishQuote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = nodes.flatMap((node) => {
    const when = `complete -c ptnet -n ${fishQuote(`__ptnet_at ${fishQuote(state(node.path))}`)}`;
    const values = argumentValues(node);
    const plain =
      values === 'file'
        ? [`${when} -F`]
        : typeof values === 'object'
          ? [`${when} -a ${fishQuote(values.choices.join(' '))}`]
          : [];
    return [
      ...node.commands.map(
        ({ command }) => `${when} -a ${command.name()} -d ${fishQuote(command.description())}`,
      ),
      ...(node.commands.length > 0 ? [] : plain),
      ...node.options.map((option) => {
        const behind = optionValues(option);
        const value =
          behind === undefined
            ? ''
            : behind === 'file' || behind === 'folder'
              ? ' -r -F'
              : ` -x${behind === 'other' ? '' : ` -a ${fishQuote(behind.choices.join(' '))}`}`;
        const short = option.short ? ` -s ${option.short.slice(1)}` : '';
        const long = option.long ? ` -l ${option.long.slice(2)}` : '';
        return `${when}${short}${long}${value} -d ${fishQuote(option.description)}`;
      }),
    ];
  });
  const cases = nodes
    .flatMap(({ path, commands }) => commands.map((one) => [path, one.command.name(), one.path]))
    .map(
      ([from, word, to]) =>
        `      case ${fishQuote(`${state(from!)}/${word}`)}\n        set at ${fishQuote(state(to!))}`,
    );
  return `# Completion of ptnet for fish: ptnet completion fish | source
function __ptnet_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch "$at/$word"
${cases.join('\n')}
    end
  end
  test "$at" = "$argv[1]"
end
complete -c ptnet -f
${lines.join('\n')}
`;
}
