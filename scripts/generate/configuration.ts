// docs/reference/configuration.md: every key of the file, from its schema and the descriptions.
import { DESCRIPTIONS } from '../../backend/config/descriptions.ts';
import type { JsonSchema } from '../../backend/config/json-schema.ts';

export function configurationReference(schema: JsonSchema): string {
  return [
    '# Keys of the configuration file\n',
    'Made from the schema that the host reads files with (`npm run generate`); editors get it as [ptnetmap.schema.json](ptnetmap.schema.json), by the first line of the file that `ptnet init` writes. [configuration.md](../configuration.md) explains.\n',
    '`NAME` is a name that you choose. A rate is in bits a second (`1Gbit`, `800Kbit`), of packets in packets a second (`1000pps`); sizes are in bytes (`64K`, `1MiB`).\n',
    ...sections(schema, ''),
  ].join('\n');
}

/** A table for each mapping with known keys, then those of the mappings in it. */
function sections(schema: JsonSchema, path: string): string[] {
  const inner = Object.entries(schema.properties ?? {}).flatMap(([key, value]) =>
    sections(value as JsonSchema, path === '' ? key : `${path}.${key}`),
  );
  const more = [
    ...(schema.anyOf ?? []).flatMap((one) => sections(one as JsonSchema, path)),
    ...(typeof schema.items === 'object' ? sections(schema.items as JsonSchema, `${path}[]`) : []),
    ...(typeof schema.additionalProperties === 'object'
      ? sections(schema.additionalProperties as JsonSchema, `${path}.*`)
      : []),
  ];
  if (!schema.properties) return more;
  const rows = Object.entries(schema.properties).map(([key, value]) =>
    row(
      key,
      value as JsonSchema,
      path === '' ? key : `${path}.${key}`,
      schema.required?.includes(key) ?? false,
    ),
  );
  const table = ['| key | value | default | meaning |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
  return [`## ${title(path)}\n`, table, ...inner, ...more];
}

const title = (path: string): string =>
  path === '' ? 'The file' : path.replaceAll('.*', '.NAME').replaceAll('[]', '[n]');

function row(key: string, schema: JsonSchema, path: string, required: boolean): string {
  const [meaning, said] = DESCRIPTIONS[path]!;
  const fallback = said ?? (schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``);
  const cells = [`\`${key}\``, value(schema), required ? '(needed)' : fallback.replaceAll('"', ''), meaning];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The values of a key, in as few words as say them. */
function value(schema: JsonSchema): string {
  if (schema.anyOf) return [...new Set(schema.anyOf.map((one) => value(one as JsonSchema)))].join(', or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum) return schema.enum.map((one) => `\`${one}\``).join(', ');
  if (schema.properties) return 'a mapping';
  if (typeof schema.additionalProperties === 'object') return 'a mapping by names';
  if (schema.type === 'array') return `a list: ${value(schema.items as JsonSchema)}`;
  const { minimum, maximum } = schema;
  if (minimum !== undefined)
    return maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER
      ? `from ${minimum}`
      : `${minimum} to ${maximum}`;
  if (schema.type === 'boolean') return '`true`, `false`';
  const [example] = (schema.examples as unknown[] | undefined) ?? [];
  return example === undefined ? 'a word' : `such as \`${example}\``;
}
