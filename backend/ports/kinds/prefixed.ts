// Names of the form `KIND:NAME`, which several kinds of port have.
import type { PortKind } from './kind.ts';

export interface PrefixedName<Kind extends string> {
  readonly kind: Kind;
  readonly name: string;
}

/** @param article `a` or `an`, for messages. */
export function prefixed<Kind extends string>(
  kind: Kind,
  article: string,
): Pick<PortKind<PrefixedName<Kind>>, 'forms' | 'parse' | 'format' | 'hint'> {
  const pattern = new RegExp(`^${kind}:([0-9A-Za-z_.]+)$`);
  return {
    forms: [`${kind}:NAME`],
    parse(text) {
      const name = pattern.exec(text)?.[1];
      return name === undefined ? undefined : { kind, name };
    },
    format: ({ name }) => `${kind}:${name}`,
    hint: (text) =>
      text === kind || text === `${kind}:`
        ? `'${text}' is ${article} ${kind} port without a name: '${kind}:a' would be right`
        : undefined,
  };
}
