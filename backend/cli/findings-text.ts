// Findings as people read them: one paragraph each, the worst last.
import { styleText } from 'node:util';
import { type Finding, type Status, summarize } from '../check/finding.ts';

const COLORS = { pass: 'green', warn: 'yellow', fail: 'red' } as const;
const ORDER: readonly Status[] = ['pass', 'warn', 'fail'];
const INDENT = ' '.repeat(6);

/** Whether stdout is somebody's terminal that wants colours. */
export const wantsColors = (): boolean => process.stdout.isTTY === true && !process.env.NO_COLOR;

const indent = (text: string): string =>
  text
    .split('\n')
    .map((line) => `${INDENT}${line}\n`)
    .join('');

export function describeFinding(finding: Finding, colors: boolean): string {
  const { id, object, status, evidence, remedy } = finding;
  const mark = colors ? styleText(COLORS[status], status) : status;
  const advice = remedy === undefined ? '' : indent(`do: ${remedy}`);
  return `${mark}  ${id}: ${object}\n${indent(evidence)}${advice}`;
}

/** @param all passes too. */
export function describeFindings(findings: readonly Finding[], all: boolean, colors: boolean): string {
  const shown = findings
    .filter(({ status }) => all || status !== 'pass')
    .toSorted((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
  const { pass, warn, fail } = summarize(findings);
  const count = (number: number, one: string): string => `${number} ${one}${number === 1 ? '' : 's'}`;
  const hints = [
    ...(pass > 0 && !all ? ['--all shows what passed'] : []),
    ...(warn + fail > 0 ? ["'ptnet explain ID' says more"] : []),
  ];
  const hint = hints.length === 0 ? '' : ` (${hints.join('; ')})`;
  return `${shown.map((finding) => describeFinding(finding, colors)).join('')}${pass} passed, ${count(warn, 'warning')}, ${count(fail, 'failure')}${hint}\n`;
}
