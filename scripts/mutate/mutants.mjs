// Small mistakes in a source file, as a reader of diffs would miss them: C++ and TypeScript, line by line.

/** Text of the same length without comments and strings, so that nothing in them is changed. */
export function masked(text) {
  const blank = (part) => part.replace(/[^\n]/g, ' ');
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g,
    blank,
  );
}

/** What is looked for in a line, and what stands there instead. */
const REPLACEMENTS = [
  ['&&', /&&/g, '||'],
  ['||', /\|\|/g, '&&'],
  ['<', /(?<=\s)<(?=\s)/g, '<='],
  ['<=', /(?<=\s)<=(?=\s)/g, '<'],
  ['>', /(?<=\s)>(?=\s)/g, '>='],
  ['>=', /(?<=\s)>=(?=\s)/g, '>'],
  ['==', /(?<=\s)===?(?=\s)/g, (found) => found.replace('=', '!')],
  ['!=', /(?<=\s)!==?(?=\s)/g, (found) => found.replace('!', '=')],
  ['+', /(?<=[\w)\]] )\+(?= [\w(])/g, '-'],
  ['-', /(?<=[\w)\]] )-(?= [\w(])/g, '+'],
  ['++', /\+\+/g, '--'],
  ['+=', /\+=/g, '-='],
  ['-=', /-=/g, '+='],
  ['true', /\btrue\b/g, 'false'],
  ['false', /\bfalse\b/g, 'true'],
  ['not', /(?<=[(\s])!(?=[\w(])/g, ''],
  ['number', /(?<![\w.'"#])\d+(?=[\s;,)\]u])(?!\.)/g, (found) => String(Number(found) + 1)],
];

/** Lines that say what is, not what is done; nothing but speed; orders of memory are the model checker's. */
const LEFT_OUT = new RegExp(
  [
    /^\s*(#|using |namespace |template|import |export (type|interface)|static_assert|enum |class |struct )/,
    /^\s*(interface |type |\}(?! else)|public:|private:|virtual .* = 0;)|= (default|delete);/,
    /memory_order|CHECK\(|assert\(|\bconstexpr\b.*\bk[A-Z]\w*Ns\b/,
    /prefetch|Prefetch|pthread_setname_np/,
  ]
    .map(({ source }) => source)
    .join('|'),
);

function mutantsOfLine(code, line) {
  const found = [];
  for (const [name, pattern, replacement] of REPLACEMENTS) {
    for (const match of code.matchAll(pattern)) {
      const text = typeof replacement === 'string' ? replacement : replacement(match[0]);
      found.push({
        name,
        text: line.slice(0, match.index) + text + line.slice(match.index + match[0].length),
      });
    }
  }
  const condition = /^(\s*(?:\} )?(?:else )?if \()(.*)(\)(?: \[\[\w+\]\])?(?: \{|.*;)?\s*)$/.exec(code);
  if (condition !== null && balanced(condition[2]) && !/;| = /.test(condition[2])) {
    const from = condition[1].length;
    const to = from + condition[2].length;
    found.push({ name: 'if', text: `${line.slice(0, from)}!(${line.slice(from, to)})${line.slice(to)}` });
  }
  // One statement that is a call or an assignment, on a line of its own.
  if (
    /^\s+(?!return|const|let|auto|case|throw|using|delete|else|for|if|while|do\b)[\w.>:[\]()*!-]+.*;\s*$/.test(
      code,
    )
  ) {
    if (/^\s+[\w:.>[\]()*-]+(\(.*\)| (=|\+=|-=|\|=) .*|\+\+);\s*$/.test(code) && balanced(code))
      found.push({ name: 'statement', text: line.replace(/\S.*$/, ';') });
  }
  return found;
}

function balanced(text) {
  let depth = 0;
  for (const c of text) {
    if (c === '(') depth++;
    if (c === ')' && --depth < 0) return false;
  }
  return depth === 0;
}

/** All mutants of a file: { file, line, name, before, after }. */
export function mutantsOf(file, text) {
  const lines = text.split('\n');
  const code = masked(text).split('\n');
  return lines.flatMap((line, i) =>
    LEFT_OUT.test(code[i])
      ? []
      : mutantsOfLine(code[i], line).map(({ name, text: after }) => ({
          file,
          line: i + 1,
          name,
          before: line,
          after,
        })),
  );
}

/** The text with one mutant in it. */
export function withMutant(text, mutant) {
  const lines = text.split('\n');
  lines[mutant.line - 1] = mutant.after;
  return lines.join('\n');
}

/** Numbers below 1 that follow from a seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` of the list, by the seed; in the list's order. */
export function sample(list, count, seed) {
  const next = random(seed);
  const keys = list.map((item, i) => ({ i, item, key: next() }));
  return keys
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .sort((a, b) => a.i - b.i)
    .map(({ item }) => item);
}
