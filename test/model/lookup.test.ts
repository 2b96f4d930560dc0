// The lookup function of a switch in a live host: from the file, replaced while packets pass, and what is said of one that cannot be had.
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { run } from '../../backend/cli/program.ts';
import type { LookupConfig } from '../../backend/config/host-config.ts';
import type { GuestPort } from '../../guest-driver/model/index.ts';
import type { TestHost } from '../harness/host.ts';
import { projectRoot } from '../harness/paths.ts';
import { probe } from '../harness/probe-packet.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';
import { startControlled } from './control-scene.ts';
import { attach, startHost } from './scene.ts';

vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let firewall: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-firewall-'));
  firewall = join(folder, 'firewall.so');
  await execa('make', ['-s', '-C', join(projectRoot(), 'examples', 'firewall'), `OUT=${firewall}`]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const VMS = `
vms:
  a: { devices: [{ port: 'vale0:a' }] }
  b: { devices: [{ port: 'vale0:b' }] }
  c: { devices: [{ port: 'vale0:c' }] }
`;

async function startSwitch(lookup: string): Promise<{ host: TestHost; ports: GuestPort[] }> {
  const host = await startHost(`switches: { vale0: { lookup: ${lookup} } }${VMS}`);
  const guests = await Promise.all(['a', 'b', 'c'].map((vm) => attach(host, vm)));
  return { host, ports: guests.map((guest) => guest.ports[0]!) };
}

/** A host that commands change. */
async function commands(yaml: string) {
  const controlled = await startControlled(yaml);
  const type = (...args: string[]): Promise<number> =>
    run([...args, '--run-dir', controlled.host.runDir], new FakeIo(), () =>
      Promise.reject(new Error('no host is to be started')),
    );
  return { ...controlled, type };
}

const mac = (last: number) => Uint8Array.of(2, 0, 0, 0, 0, last);

/** A TCP segment from 192.0.2.1 to 192.0.2.2, without checksums, behind a VLAN tag. */
function tcpTo(port: number): Uint8Array {
  const frame = new Uint8Array(14 + 4 + 20 + 20 + 100);
  const view = new DataView(frame.buffer);
  frame.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 8, 0, 0x45, 0]);
  view.setUint16(18 + 2, 140);
  frame.set([0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2], 18 + 4);
  view.setUint16(38, 40_000);
  view.setUint16(40, port);
  return frame;
}

test('a firewall lets pass what its rules say, and drops and counts the rest; others take its place at once', async () => {
  const { host, ports } = await startSwitch(`{ plugin: ${firewall}, options: pass tcp to any port 80 }`);
  const [a, b, c] = ports as [GuestPort, GuestPort, GuestPort];
  const filtered = () => host.ring('vale0:a', 'tx').drops.filtered;
  await a.send(tcpTo(22));
  await a.send(tcpTo(80));
  for (const port of [b, c]) expect(await port.receive()).toEqual(tcpTo(80));
  await expect.poll(filtered).toBe(1);
  host.host.setLookup('vale0', { kind: 'plugin', path: firewall, options: 'pass tcp to any port 22' });
  await a.send(tcpTo(80));
  await a.send(tcpTo(22));
  for (const port of [b, c]) expect(await port.receive()).toEqual(tcpTo(22));
  await expect.poll(filtered).toBe(2);
  // What cannot be had changes nothing.
  const refused: [LookupConfig, string][] = [
    [
      { kind: 'plugin', path: firewall, options: 'pass tpc' },
      `vale0: lookup: ${firewall}: options, line 1: 'tpc' is not a protocol: all, arp, ip4, ip6, tcp, udp, sctp, icmp, icmp6 or a number would be right`,
    ],
    [
      { kind: 'plugin', path: '/nowhere/firewall.so', options: '' },
      'vale0: lookup: /nowhere/firewall.so: cannot be opened: No such file or directory',
    ],
  ];
  for (const [lookup, message] of refused)
    expect(() => host.host.setLookup('vale0', lookup)).toThrow(message);
  expect(() => host.host.setLookup('vale9', { kind: 'hub' })).toThrow(
    "'vale9': no such switch here: vale0 would be right",
  );
  await a.send(tcpTo(80));
  await a.send(tcpTo(22));
  for (const port of [b, c]) expect(await port.receive()).toEqual(tcpTo(22));
  host.host.setLookup('vale0', { kind: 'learning' });
  await a.send(tcpTo(80));
  for (const port of [b, c]) expect(await port.receive()).toEqual(tcpTo(80));
  await expect.poll(filtered).toBe(3);
});

test('the plug-in that docs/lookup.md shows does what is said there', async () => {
  const text = readFileSync(join(projectRoot(), 'docs', 'lookup.md'), 'utf8');
  const [, program] = /```c\n(.*?)```/s.exec(text)!;
  const [source, object] = [join(folder, 'short.c'), join(folder, 'short.so')];
  writeFileSync(source, program!);
  const include = join(projectRoot(), 'native', 'include');
  const how = ['-Wall', '-Wextra', '-Werror', '-O2', '-shared', '-fPIC', `-I${include}`];
  await execa('cc', [...how, source, '-o', object]);
  const { host, ports } = await startSwitch(`{ plugin: ${object} }`);
  const [a, b] = ports as [GuestPort, GuestPort, GuestPort];
  const [long, short] = [1515, 1514].map((size) => probe({ seq: 0n, size }));
  await a.send(long!);
  await a.send(short!);
  expect(await b.receive()).toEqual(short);
  await expect.poll(() => host.ring('vale0:a', 'tx').drops.filtered).toBe(1);
});

test('a plug-in that others may write is not loaded, whoever asks, and a relative path is the asker’s', async () => {
  const { host, client, type } = await commands(VMS);
  const theirs = join(folder, 'theirs.so');
  copyFileSync(firewall, theirs);
  chmodSync(theirs, 0o666);
  const set = (plugin: string) => client.change('PATCH', '/v1/switches/vale0', { lookup: { plugin } });
  await expect(set(theirs)).rejects.toThrow(`vale0: lookup: ${theirs}: may be written by others`);
  expect((await client.switch('vale0')).lookup).toBe('learning');
  await expect(set('firewall.so')).rejects.toThrow(
    "switches.vale0.lookup.plugin: 'firewall.so' starts where the asker works",
  );
  const mine = relative(process.cwd(), firewall);
  expect(await type('set', 'vale0', `lookup.plugin=${mine}`, 'lookup.options=pass all')).toBe(0);
  const lookupNow = () => host.host.config.switches.get('vale0')!.lookup;
  expect(lookupNow()).toMatchObject({ kind: 'plugin', path: firewall });
  expect(await type('set', 'vale0', 'lookup=hub')).toBe(0);
  const file = join(folder, 'next.yaml');
  const lookup = `{ plugin: ${mine}, options: pass all }`;
  writeFileSync(file, `run-dir: ${host.runDir}\nswitches: { vale0: { lookup: ${lookup} } }${VMS}`);
  expect(await type('apply', file)).toBe(0);
  expect(lookupNow()).toMatchObject({ kind: 'plugin', path: firewall });
});

test('a host whose plug-in cannot be had does not start', async () => {
  const text = join(folder, 'text.so');
  writeFileSync(text, 'this is no shared object, and says so at some length, as headers go\n');
  await expect(startSwitch(`{ plugin: ${text} }`)).rejects.toThrow(
    `vale0: lookup: ${text}: cannot be loaded: invalid ELF header: a shared object for this machine would be right`,
  );
});

test('isolated ports reach the promiscuous one, and never each other', async () => {
  const { host, ports } = await startSwitch("{ isolated: { promiscuous: ['vale0:c'] } }");
  const [a, b, c] = ports as [GuestPort, GuestPort, GuestPort];
  const hello = [a, b].map((port, i) => ({ port, packet: probe({ seq: BigInt(i), src: mac(i) }) }));
  for (const { port, packet } of hello) {
    await port.send(packet);
    expect(await c.receive()).toEqual(packet);
  }
  // Known, and all the same out of reach.
  await a.send(probe({ seq: 2n, src: mac(0), dst: mac(1) }));
  await expect.poll(() => host.ring('vale0:a', 'tx').drops.filtered).toBe(1);
  const all = probe({ seq: 3n, src: mac(9) });
  await c.send(all);
  for (const port of [a, b]) expect(await port.receive()).toEqual(all);
  expect(host.packets('vale0:a', 'rx') + host.packets('vale0:b', 'rx')).toBe(2);
});

test('a table says where stations are, and a hub does not care', async () => {
  const { host, ports } = await startSwitch("{ static: { '02:00:00:00:00:01': 'vale0:b' } }");
  const [a, b, c] = ports as [GuestPort, GuestPort, GuestPort];
  const toB = probe({ seq: 0n, dst: mac(1), src: mac(0) });
  await a.send(probe({ seq: 1n, dst: mac(2), src: mac(0) }));
  await a.send(toB);
  expect(await b.receive()).toEqual(toB);
  expect(host.packets('vale0:c', 'rx')).toBe(0);
  await expect.poll(() => host.ring('vale0:a', 'tx').drops.filtered).toBe(1);
  host.host.setLookup('vale0', { kind: 'hub' });
  await a.send(toB);
  for (const port of [b, c]) expect(await port.receive()).toEqual(toB);
});

test('the function is replaced in traffic, and every packet arrives whole or is counted', async () => {
  const COUNT = 200_000n;
  const { host, ports } = await startSwitch('learning');
  const [a, b] = ports as [GuestPort, GuestPort, GuestPort];
  const receiving = await b.startLoop({ op: 'receive', size: 300, payload: 'full', sleep: true });
  const dst = new Uint8Array(6).fill(0xff);
  const sending = await a.startLoop({
    op: 'send',
    count: COUNT,
    size: 300,
    payload: 'full',
    sleep: true,
    rate: 100_000,
    dst,
  });
  const functions: LookupConfig[] = [
    { kind: 'plugin', path: firewall, options: 'pass all' },
    { kind: 'hub' },
    { kind: 'isolated', promiscuous: ['vale0:a'], communities: new Map() },
    { kind: 'static', stations: new Map(), unknown: 'flood' },
    { kind: 'learning' },
  ];
  let over = false;
  const result = sending.done.finally(() => {
    over = true;
  });
  let replaced = 0;
  for (; !over; replaced++) {
    host.host.setLookup('vale0', functions[replaced % functions.length]!);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(replaced).toBeGreaterThan(functions.length);
  expect((await result).sent.packets).toBe(COUNT);
  const { drops } = host.ring('vale0:a', 'tx');
  expect(Object.values(drops).every((count) => count === 0)).toBe(true);
  const full = () => host.ring('vale0:b', 'rx').drops.full;
  await expect.poll(() => host.packets('vale0:b', 'rx') + full()).toBe(Number(COUNT));
  await expect.poll(() => Number(receiving.progress().received)).toBe(host.packets('vale0:b', 'rx'));
  receiving.stop();
  const { received } = await receiving.done;
  expect(received).toMatchObject({ late: 0n, corrupt: 0n });
  expect(Number(received.packets)).toBe(host.packets('vale0:b', 'rx'));
  expect(Number(received.lost)).toBeLessThanOrEqual(full());
});
