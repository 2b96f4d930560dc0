// What is said about a check beside its findings: what it looks at, why that matters, what to do.

export interface Check {
  /** A sentence: what has to be so. */
  readonly says: string;
  /** What happens otherwise. */
  readonly why: string;
  readonly remedy: string;
}
