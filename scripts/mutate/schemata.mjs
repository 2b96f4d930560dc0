// Many mutants in one build: each place that is mutated asks at run time which mutant is wanted (PTNET_MUTANT in the
// environment), so that nothing is compiled for each. What cannot be written so is built alone.
import { masked } from './mutants.mjs';

/** Included before everything else. */
export const HEADER = `#pragma once
#include <cstdlib>
inline const int ptnet_mutant = [] {
  const char* number = std::getenv("PTNET_MUTANT");
  return number == nullptr ? 0 : std::atoi(number);
}();
`;

/** Where the parenthesis that is open before `from` is closed; -1: not in this line. */
function closing(code, from) {
  let depth = 1;
  for (let i = from; i < code.length; i++) {
    if ('([{'.includes(code[i])) depth++;
    if (')]}'.includes(code[i]) && --depth === 0) return i;
  }
  return -1;
}

/** Where `pattern` is found outside of all brackets in [from, end); the last of such places, or -1. */
function outside(code, from, end, pattern) {
  let depth = 0;
  let found = -1;
  for (let i = from; i < end; i++) {
    if ('([{'.includes(code[i])) depth++;
    else if (')]}'.includes(code[i])) depth--;
    else if (depth === 0 && pattern.test(code.slice(i, i + 4))) found = i;
  }
  return found;
}

/** What stands at [start, end) and can be chosen by a condition: 'test', 'value', 'void' (nobody uses it) or 'statement'. */
function partsOfStatement(code, start) {
  const end = code.trimEnd().length;
  if (code[end - 1] !== ';' || start >= end) return [];
  const result = /^return (?!\{)/.exec(code.slice(start));
  if (result !== null) return [{ start: start + result[0].length, end: end - 1, kind: 'value' }];
  const parts = [];
  const assigned = outside(code, start, end, /^ = (?!\[|\{)/);
  if (assigned >= 0) parts.push({ start: assigned + 3, end: end - 1, kind: 'value' });
  // A declaration would be seen in its own block only.
  if (/^[\w.>:[\]()*!-]+(\(.*\)|(\+\+|--)?| (=|[+|&-]=) .*| (\?|[!=]=) .*);$/.test(code.slice(start, end)))
    parts.push({ start, end, kind: 'statement' });
  return parts;
}

function partsOf(code) {
  const head = /^\s*(?:\} )?(?:else )?(if|while|for) \(/.exec(code);
  if (head === null) return partsOfStatement(code, /^\s*(?:\} )?(?:else )?(?:do )?/.exec(code)[0].length);
  const open = head[0].length;
  const close = closing(code, open);
  if (close < 0) return [];
  const rest = /^\)(?: \[\[\w+\]\])? ?/.exec(code.slice(close))[0].length;
  const parts = partsOfStatement(code, close + rest);
  const last = outside(code, open, close, /^;/);
  if (head[1] !== 'for') {
    const start = last < 0 ? open : last + 2;
    if (outside(code, start, close, /^ = /) < 0) parts.push({ start, end: close, kind: 'test' });
  } else if (last >= 0) {
    const before = outside(code, open, last, /^;/);
    if (before >= 0 && before + 2 < last) parts.push({ start: before + 2, end: last, kind: 'test' });
    if (last + 2 < close) parts.push({ start: last + 2, end: close, kind: 'void' });
  }
  return parts;
}

/** The smallest part of the line in which the mutant differs; undefined: it cannot be chosen. */
function partOf(parts, { before, after }) {
  // The statement is left out, with the comment behind it.
  if (after.trim() === ';') return parts.find(({ kind }) => kind === 'statement');
  let first = 0;
  while (first < before.length && before[first] === after[first]) first++;
  let same = 0;
  const most = Math.min(before.length, after.length) - first;
  while (same < most && before.at(-1 - same) === after.at(-1 - same)) same++;
  const fits = parts.filter(({ start, end }) => start <= first && end >= before.length - same);
  return fits.sort((a, b) => a.end - a.start - (b.end - b.start))[0];
}

/** The parts that are needed, with their mutants: of two that overlap the larger has those of both. */
function divide(parts, mutants) {
  const divided = [];
  for (const mutant of mutants) {
    const part = partOf(parts, mutant);
    if (part === undefined) continue;
    const overlapping = divided.filter((other) => other.start < part.end && part.start < other.end);
    const { start, end, kind } = [part, ...overlapping].sort(
      (a, b) => b.end - b.start - (a.end - a.start),
    )[0];
    const all = [...overlapping.flatMap((other) => other.mutants), mutant];
    divided.push({ start, end, kind, mutants: all });
    for (const other of overlapping) divided.splice(divided.indexOf(other), 1);
  }
  return divided.sort((a, b) => b.start - a.start);
}

const FORMS = {
  test: { chosen: (n, text) => `ptnet_mutant == ${n} ? bool(${text}) : `, whole: (text) => `bool(${text})` },
  value: { chosen: (n, text) => `ptnet_mutant == ${n} ? (${text}) : `, whole: (text) => `(${text})` },
  void: {
    chosen: (n, text) => `ptnet_mutant == ${n} ? void((${text})) : `,
    whole: (text) => `void((${text}))`,
  },
  statement: {
    chosen: (n, text) => `if (ptnet_mutant == ${n}) { ${text} } else `,
    whole: (text) => `{ ${text} }`,
  },
};

/**
 * One line with all of its mutants, of which each has its number.
 * @returns the line, and the numbers of those that are in it.
 */
export function schemaOf(line, mutants) {
  let text = line;
  const numbers = [];
  if (/\bconstexpr\b/.test(line)) return { text, numbers };
  for (const { start, end, kind, mutants: some } of divide(partsOf(masked(line)), mutants)) {
    const form = FORMS[kind];
    const chosen = some.map(({ number, before, after }) => {
      numbers.push(number);
      const isLeftOut = after.trim() === ';';
      return form.chosen(number, isLeftOut ? ';' : after.slice(start, end + after.length - before.length));
    });
    const made = chosen.join('') + form.whole(line.slice(start, end));
    text = `${text.slice(0, start)}${kind === 'statement' ? `{ ${made} }` : made}${text.slice(end)}`;
  }
  return { text, numbers };
}
