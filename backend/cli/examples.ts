// Examples as the help of a command has them.

/** Behind the options: a line for each. */
export const examples = (...lines: readonly string[]): string =>
  `\nExamples:${lines.map((line) => `\n  ${line}`).join('')}`;
