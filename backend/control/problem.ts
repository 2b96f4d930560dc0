// What goes wrong with a request, as its sender reads it: problem objects of RFC 9457.
import { HTTPException } from 'hono/http-exception';
import { ConfigurationError, PtnetError } from '../errors.ts';
import { RefusedError } from '../host.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** Each kind of problem has one status and one title; scripts look at `type`. */
const KINDS = {
  'not-found': [404, 'There is no such thing'],
  'method-not-allowed': [405, 'Not possible here'],
  'read-only': [403, 'This socket is for reading'],
  'bad-request': [400, 'The request cannot be read'],
  'too-large': [413, 'The request is too large'],
  invalid: [422, 'The host cannot be like this'],
  refused: [409, 'Not while the host runs as it does'],
  failed: [500, 'The host could not do it'],
} as const;

export type ProblemKind = keyof typeof KINDS;
export type ProblemStatus = (typeof KINDS)[ProblemKind][0];

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: ProblemStatus;
  /** The object, what is wrong, what would be right. */
  readonly detail: string;
  /** Where there are several: a line each. */
  readonly problems?: string[];
}

/** A request that is refused: what else than a configuration can be wrong with one. */
export class RequestError extends PtnetError {
  readonly kind: ProblemKind;
  constructor(kind: ProblemKind, message: string, options?: { cause?: unknown }) {
    super('ERR_REQUEST', message, options);
    this.kind = kind;
  }
}

export function problem(kind: ProblemKind, detail: string, problems: readonly string[] = []): Problem {
  const [status, title] = KINDS[kind];
  return {
    type: `urn:ptnetmap:problem:${kind}`,
    title,
    status,
    detail,
    ...(problems.length > 1 && { problems: [...problems] }),
  };
}

export function problemOf(error: unknown): Problem {
  if (error instanceof RequestError) return problem(error.kind, error.message);
  if (error instanceof HTTPException && error.status < 500) return problem('bad-request', error.message);
  if (error instanceof RefusedError) return problem('refused', error.message, error.problems);
  if (error instanceof ConfigurationError)
    return problem('invalid', error.problems.join('; '), error.problems);
  return problem('failed', error instanceof Error ? error.message : String(error));
}
