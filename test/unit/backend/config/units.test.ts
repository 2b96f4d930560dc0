// Numbers with units are refused, and what is suggested is what was meant.
import { describe, expect, test } from 'vitest';
import { device, messageOf } from './messages.ts';

const source = (fields: string) => device("port: 'null:a'", `ports: { 'null:a': { source: { ${fields} } } }`);
const port = (fields: string) => device("port: 'vale0:1'", `ports: { 'vale0:1': { ${fields} } }`);
const region = (fields: string) => device("port: 'null:a'", `regions: { lan: { ${fields} } }`);
const engine = (fields: string) => device("port: 'null:a'", `engine: { ${fields} }`);
const vm = (fields: string) => `vms: { vm1: { devices: [{ port: 'null:a' }], ${fields} } }`;

describe('the suggestion is the value that was meant', () => {
  test.each([
    [source("rate: '1M'"), "'1M' is not a whole number from 0 to 1000000000: 1000000 would be right"],
    [source('rate: 2kpps'), "'2kpps' is not a whole number from 0 to 1000000000: 2000 would be right"],
    [source("size: '60B'"), "'60B' is not a whole number from 32 to 65536: 60 would be right"],
    [source("size: '60'"), "'60' is not a whole number from 32 to 65536: 60 would be right"],
    [source('size: 10'), '10 is not a whole number from 32 to 65536: 32 would be right'],
    [source('packets: 1M'), "'1M' is not a number of packets: 1000000 or 'unlimited' would be right"],
    [source('packets: 10_000p'), "'10_000p' is not a number of packets: 10000 or 'unlimited' would be right"],
    [region("buf-size: '2K'"), "'2K' is not a whole number from 64 to 65536: 2048 would be right"],
    [region('buf-size: 4KiB'), "'4KiB' is not a whole number from 64 to 65536: 4096 would be right"],
    [region('buf-size: 1M'), "'1M' is not a whole number from 64 to 65536: 65536 would be right"],
    [port('rx-slots: 1K'), "'1K' is not a whole number from 2 to 8176: 1024 would be right"],
    [port('mtu: 1.5K'), "'1.5K' is not a whole number from 68 to 65521: 1536 would be right"],
    [port('rate: 1M'), "'1M' is not a rate: '1Mbit' would be right"],
    [port('rate: 10 Gb'), "'10 Gb' is not a rate: '10Gbit' would be right"],
    [port('rate: 10GB'), "'10GB' is not a rate: '1Gbit' would be right"],
    [port('rate: 2.5G'), "'2.5G' is not a rate: '2.5Gbit' would be right"],
    [port('rate: { tx: fast }'), "'fast' is not a rate: '1Gbit' would be right"],
    [
      port('storm-control: { broadcast: 1M }'),
      "'1M' is not a number of packets a second: '1Mpps' would be right",
    ],
    [engine('spin-us: 50us'), "'50us' is not a whole number from 0 to 1000000: 50 would be right"],
    [engine('spin-us: 1ms'), "'1ms' is not a whole number from 0 to 1000000: 1000 would be right"],
    [engine('spin-us: 1.5'), '1.5 is not a whole number from 0 to 1000000: 2 would be right'],
    [engine('workers: many'), "'many' is not a whole number from 1 to 64: 1 would be right"],
    [vm('memory: 512'), "512 is not a size: '512M' would be right"],
    [vm('memory: 2GB'), "'2GB' is not a size: '2048M' would be right"],
    [vm('memory: 1.5G'), "'1.5G' is not a size: '1536M' would be right"],
    [vm('memory: 102401K'), "'102401K' is not whole megabytes: '101M' would be right"],
    [vm('memory: 1K'), "'1K' is not whole megabytes: '512M' would be right"],
    [vm('memory: much'), "'much' is not a size: '512M' would be right"],
    [
      `switches: { vale0: { mac-age: 5min } }\n${device("port: 'vale0:1'")}`,
      "'5min' is not a number of seconds from 1 to 1000000: 300 or 'off' would be right",
    ],
  ])('%j', (text, message) => {
    expect(messageOf(text).endsWith(`: ${message}`)).toBe(true);
    expect(messageOf(text)).toContain(message);
  });
});
