// A piece of what somebody wrote, as a message quotes it: on one line, and not longer than it helps.

const LENGTH_MAX = 60;

/** `text` without quotes around it: control characters escaped, the end of a long one left out. */
export function shown(text: string, most = LENGTH_MAX): string {
  const short = text.length > most ? `${text.slice(0, most - 20)}...` : text;
  return short.replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );
}

/** `'text'`. */
export const quoted = (text: string): string => `'${shown(text)}'`;
