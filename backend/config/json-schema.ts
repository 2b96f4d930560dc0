// The form of a configuration file as JSON Schema, for editors and for the reference: made from the schema that the host reads files with.
import { z } from 'zod';
import { DESCRIPTIONS, type Description } from './descriptions.ts';
import { FORMS } from './fields.ts';
import { fileSchema } from './schema.ts';

export type JsonSchema = z.core.JSONSchema.JSONSchema;

export const configJsonSchema = (): JsonSchema => describedSchema(DESCRIPTIONS);

/** @param descriptions of all keys, by their paths; a key without one is an error, as is one of no key. */
export function describedSchema(descriptions: Readonly<Record<string, Description>>): JsonSchema {
  const schema = {
    ...toJson(fileSchema),
    title: 'ptnetmap',
    description: 'A host that exports netmap ports to virtual machines: the file that ptnet reads.',
  };
  const left = new Set(Object.keys(descriptions));
  describe(schema, '', (path) => {
    left.delete(path);
    const description = descriptions[path];
    if (description === undefined)
      throw new Error(`${path}: has no description in backend/config/descriptions.ts`);
    return description;
  });
  if (left.size > 0) throw new Error(`described, and not in the file's schema: ${[...left].join(', ')}`);
  return schema;
}

function toJson(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => complete(zodSchema, jsonSchema),
  }) as JsonSchema;
}

/** What zod cannot know of its own functions, and what it leaves out where a value is changed on its way in. */
function complete(zodSchema: z.core.$ZodTypes, json: JsonSchema): void {
  const { def } = zodSchema._zod;
  const form = FORMS.get(zodSchema);
  if (Array.isArray(form)) {
    // What it becomes on its way in is only one of the forms.
    for (const keyword of Object.keys(json)) delete json[keyword];
    json.anyOf = form.map((one: z.ZodType) => bare(one));
  } else Object.assign(json, form);
  if (def.type === 'default') json.default = def.defaultValue as never;
  if (def.type === 'object') {
    // Nothing at all is an empty section.
    json.type = ['object', 'null'] as never;
    json.additionalProperties = false;
    const needed = Object.keys(def.shape).filter(
      (key) => !(def.shape[key] as z.ZodType).safeParse(undefined).success,
    );
    delete json.required;
    if (needed.length > 0) json.required = needed;
  }
  if (def.type === 'map') {
    json.type = ['object', 'null'] as never;
    json.additionalProperties = bare(def.valueType as z.ZodType);
  }
}

function bare(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...json } = toJson(schema);
  return json as JsonSchema;
}

/** Calls `of` with the path of each key below `schema`: `vms.*.devices[].mac`. */
function describe(schema: JsonSchema, path: string, of: (path: string) => Description): void {
  for (const one of schema.anyOf ?? []) describe(one as JsonSchema, path, of);
  if (typeof schema.items === 'object') describe(schema.items as JsonSchema, `${path}[]`, of);
  if (typeof schema.additionalProperties === 'object')
    describe(schema.additionalProperties as JsonSchema, `${path}.*`, of);
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    const inner = path === '' ? key : `${path}.${key}`;
    const [meaning, fallback] = of(inner);
    const json = value as JsonSchema;
    json.description = plain(fallback === undefined ? meaning : `${meaning}. Default: ${fallback}`);
    describe(json, inner, of);
  }
}

/** Editors show it as it is: no links. */
const plain = (text: string): string => text.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1');
