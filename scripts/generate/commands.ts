// docs/reference/commands.md: what each command's --help prints.
import type { Command } from 'commander';
import { allCommands, commandTree, helpText } from '../../backend/cli/command-tree.ts';

const COLUMNS = 110;

export function commandsReference(program: Command): string {
  const nodes = allCommands(commandTree(program));
  const sections = nodes.map((node) => {
    const { text } = helpText(node, COLUMNS);
    return `## ${node.name}\n\n\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;
  });
  return [
    '# Commands\n',
    'What `--help` prints; made from the commands (`npm run generate`). `man ptnet` says the same where the package is installed.\n',
    ...sections,
  ].join('\n');
}
