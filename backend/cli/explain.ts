// `ptnet explain`: what a check of `ptnet check` looks at, why, and what to do.
import { CHECK_IDS, CHECKS, type CheckId } from '../check/catalog/index.ts';
import { nearest } from '../config/nearest.ts';
import { quoted } from '../config/quote.ts';
import { ConfigurationError } from '../errors.ts';
import type { Io } from './io.ts';

/** @param id of a check; undefined: a list of all. @throws ConfigurationError for one that is not there. */
export function explain(id: string | undefined, options: { readonly json: boolean }, io: Io): void {
  const ids = id === undefined ? CHECK_IDS : [known(id)];
  if (options.json) {
    io.out(`${JSON.stringify({ checks: ids.map((one) => ({ id: one, ...CHECKS[one] })) })}\n`);
    return;
  }
  if (id === undefined) {
    const width = Math.max(...ids.map((one) => one.length));
    io.out(ids.map((one) => `${one.padEnd(width)}  ${CHECKS[one].says}\n`).join(''));
    return;
  }
  const { says, why, remedy } = CHECKS[ids[0]!];
  io.out(`${ids[0]}\n\nIt passes when: ${says}\nWhy: ${why}\nWhat to do: ${remedy}\n`);
}

function known(id: string): CheckId {
  if ((CHECK_IDS as string[]).includes(id)) return id as CheckId;
  const guess = nearest(id, CHECK_IDS);
  const right = guess === undefined ? "one that 'ptnet explain' lists" : `'${guess}'`;
  throw new ConfigurationError(`there is no check ${quoted(id)}: ${right} would be right`);
}
