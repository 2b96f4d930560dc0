// The JSON Schema of a configuration: it takes what the host takes, and refuses what the host refuses.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DESCRIPTIONS } from '../../../../backend/config/descriptions.ts';
import { configJsonSchema, describedSchema } from '../../../../backend/config/json-schema.ts';
import { parseConfig } from '../../../../backend/config/load.ts';
import { projectRoot } from '../../../harness/paths.ts';
import { messageOf } from './messages.ts';

const EXAMPLES = join(projectRoot(), 'examples');
const validate = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true }).compile(
  configJsonSchema(),
);
const complaints = (text: string): unknown[] => {
  validate(parse(text));
  return validate.errors ?? [];
};

describe('what the host takes', () => {
  test.each(readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml')))('%s', (name) => {
    expect(complaints(readFileSync(join(EXAMPLES, name), 'utf8'))).toEqual([]);
  });

  const VM = "vms: { vm1: { devices: [{ port: 'vale0:1' }] } }\n";
  test.each([
    VM,
    `regions: { lan: }\nswitches: { vale0: }\nengine:\n${VM}`,
    `socket-mode: 0660\n${VM}`,
    `socket-mode: '0660'\n${VM}`,
    `switches: { vale0: { lookup: hub, mac-age: off } }\n${VM}`,
    `switches: { vale0: { lookup: { static: { '02:00:00:00:00:01': 'vale0:1' }, unknown: flood } } }\n${VM}`,
    `switches: { vale0: { lookup: { isolated: { promiscuous: ['vale0:1'] } } } }\n${VM}`,
    `ports: { 'vale0:1': { rate: 1Gbit } }\n${VM}`,
    `ports: { 'vale0:1': { rate: 1000000 } }\n${VM}`,
    `ports: { 'vale0:1': { rate: { tx: 1.5Mbit/s, burst: 64K } } }\n${VM}`,
    `ports: { 'null:a': { source: { packets: unlimited } } }\n${VM}`,
    'vms: { 200: { memory: 1G, devices: [{ port: "null:a", mac: "02:00:00:00:00:AA" }] } }\n',
  ])('%j', (text) => {
    parseConfig(text, 'f');
    expect(complaints(text)).toEqual([]);
  });
});

describe('what the host refuses', () => {
  const VM = "vms: { vm1: { devices: [{ port: 'vale0:1' }] } }\n";
  test.each([
    '7',
    'vms: [1]',
    'vms: { vm1: { } }',
    'vms: { vm1: { devices: [] } }',
    'vms: { vm1: { devices: [{ prot: "vale0:1" }] } }',
    'vms: { vm1: { devices: [{ port: 7 }] } }',
    'vms: { "a b": { devices: [{ port: "vale0:1" }] } }',
    'vms: { vm1: { memory: 512, devices: [{ port: "vale0:1" }] } }',
    `run_dir: /x\n${VM}`,
    `engine: { workers: 0 }\n${VM}`,
    `engine: { workers: two }\n${VM}`,
    `engine: { policy: pol }\n${VM}`,
    `socket-mode: '0755'\n${VM}`,
    `switches: { br0: }\n${VM}`,
    `switches: { vale0: { lookup: { plugin: 7 } } }\n${VM}`,
    `switches: { vale0: { mac-age: never } }\n${VM}`,
    `regions: { lan: { hugepages: 1 } }\n${VM}`,
    `ports: { 'vale0:1': { rate: 1M } }\n${VM}`,
    `ports: { 'vale0:1': { rate: { tx: fast } } }\n${VM}`,
    `ports: { 'null:a': { source: { mac: '02:00:00:00:00:01' } } }\n${VM}`,
    `ports: { 'null:a': { source: { dst: '02:00:00:00:00:1' } } }\n${VM}`,
  ])('%j', (text) => {
    expect(messageOf(text)).not.toBe('');
    expect(complaints(text)).not.toEqual([]);
  });
});

test('defaults are those of the host', () => {
  const config = parseConfig('vms: { v: { devices: [{ port: "null:a" }] } }', 'f');
  const schema = configJsonSchema() as never as Record<string, Record<string, Record<string, never>>>;
  const { properties } = schema as never as { properties: Record<string, { default?: unknown }> };
  expect(properties['run-dir']!.default).toBe(config.runDir);
});

test('every key has a description, and nothing else has one', () => {
  const { 'run-dir': _, ...less } = DESCRIPTIONS;
  expect(() => describedSchema(less)).toThrow('run-dir: has no description');
  expect(() => describedSchema({ ...DESCRIPTIONS, nonsense: ['x'] })).toThrow('nonsense');
});
