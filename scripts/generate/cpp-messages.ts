// What C and C++ sources say: literals, with what is added to them in between, as three dots.

/** Comments and characters first: they hold quotes that end nothing. */
const TOKEN =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|\d[\w'.]*|'(?:[^'\\]|\\.)+'|[A-Za-z_]\w*|::|->|<<|[=!<>]=|&&|\|\||\S/g;
/** Whose arguments nobody is told while a program runs. */
const NOT_TOLD = new Set(['static_assert', 'asm', '__asm__', '__attribute__', 'Set']);
const SEPARATORS = new Set([',', ';', '?', ':', '=', '==', '!=', '<=', '>=', '<<', '&&', '||', 'return']);
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
const DOTS = '...';

/** All texts of a source that are made of literals, short ones too. */
export function literalsOf(source: string): string[] {
  const code = source.replaceAll(/^[ \t]*#(?:.*\\\n)*.*$/gm, '');
  const tokens = [...code.matchAll(TOKEN)].map(([token]) => token).filter((token) => !/^\/[/*]/.test(token));
  const found: string[] = [];
  readGroup(tokens, 0, found);
  return found;
}

/** A text that grows by literals and by what is added to them. */
class Chain {
  readonly #parts: string[] = [];
  #literals = 0;

  literal(text: string): void {
    this.#literals += 1;
    this.#parts.push(text);
  }

  other(): void {
    if (this.#parts.at(-1) !== DOTS) this.#parts.push(DOTS);
  }

  /** undefined: nothing of it is a literal. */
  get text(): string | undefined {
    return this.#literals > 0 ? this.#parts.join('') : undefined;
  }

  get isLiteral(): boolean {
    return this.#literals > 0 && this.#parts.length === this.#literals;
  }
}

interface Group {
  /** Behind its closing bracket. */
  readonly next: number;
  /** Its only chain, where it has one. */
  readonly only: Chain | undefined;
}

function readGroup(tokens: readonly string[], from: number, found: string[], closing?: string): Group {
  const chains: Chain[] = [];
  let chain = new Chain();
  const flush = (): void => {
    if (chain.text !== undefined) {
      found.push(chain.text);
      chains.push(chain);
    }
    chain = new Chain();
  };
  let i = from;
  for (; i < tokens.length && tokens[i] !== closing; i++) {
    const token = tokens[i]!;
    const inner = CLOSING[token];
    if (token.startsWith('"')) chain.literal(unquote(token));
    else if (SEPARATORS.has(token)) flush();
    else if (inner !== undefined) {
      const before = tokens[i - 1] ?? '';
      const within: string[] = [];
      const group = readGroup(tokens, i + 1, within, inner);
      i = group.next - 1;
      if (token === '{') flush();
      // std::string("...") is the literal itself.
      if (before === 'string' && group.only?.isLiteral) chain.literal(group.only.text!);
      else {
        if (!NOT_TOLD.has(before)) found.push(...within);
        if (token !== '{') chain.other();
      }
    } else if (token !== '+' && !/^(std|string|::|const|auto)$/.test(token)) chain.other();
  }
  flush();
  return { next: i + 1, only: chains.length === 1 ? chains[0] : undefined };
}

/** With values of printf() as the others. */
function unquote(token: string): string {
  return token
    .slice(1, -1)
    .replaceAll(/\\x[0-9a-f]{2}|\\[0-7]{1,3}/gi, DOTS)
    .replaceAll(/\\n/g, ' ')
    .replaceAll(/\\(.)/g, '$1')
    .replaceAll(/%[-+ #0-9.*]*(?:hh|h|ll|l|z|j|t)?[diouxXscp]/g, DOTS);
}
