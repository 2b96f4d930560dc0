// The part of docs/checks.md that is made from the table of checks.
import { GROUPS } from './catalog/index.ts';

/** What is between angle brackets or starts a list would be read as Markdown. */
const plain = (text: string): string =>
  text.replaceAll('<', '&lt;').replaceAll('|', '\\|').replaceAll('*', '\\*');

export function checksPage(): string {
  return GROUPS.map(({ title, checks }) => {
    const paragraphs = Object.entries(checks).map(
      ([id, { says, why, remedy }]) =>
        `### ${id}\n\n${plain(says)}\n\n- Why: ${plain(why)}\n- What to do: ${plain(remedy)}\n`,
    );
    return `## ${title}\n\n${paragraphs.join('\n')}`;
  }).join('\n');
}
