// `ptnet check --attached` asks a running host: what it finds of devices with a driver, without one, and with one that does wrong.
import { expect, test } from 'vitest';
import { askHost, lookAtSaid } from '../../backend/check/attached/asked.ts';
import { check } from '../../backend/check/check.ts';
import { parseConfig } from '../../backend/config/load.ts';
import type { TestHost } from '../harness/host.ts';
import { startControlled } from './control-scene.ts';
import { attach, open, startHost } from './scene.ts';

const YAML = `
vms:
  vm1: { devices: [{ port: 'vale0:1' }] }
  vm2: { devices: [{ port: 'vale0:2' }] }
  vm3: { devices: [{ port: 'vale0:3' }] }
`;
const { signal } = new AbortController();
const configOf = ({ runDir }: TestHost, yaml = YAML) => parseConfig(yaml, 'test.yaml', { runDir });

/** What is found, without what passed when nothing is wrong. */
async function ask(host: TestHost, { yaml = YAML, betweenMs = 1 } = {}) {
  const found = lookAtSaid(configOf(host, yaml), await askHost(host.runDir, signal, betweenMs));
  return found.map(({ id, object, status }) => `${id} ${object} ${status}`);
}

const NET0 = (vm: string) => `vms.${vm}.devices.net0`;

test('devices with a driver, without one, and without a VM; traffic goes on', async () => {
  const { host } = await startControlled(YAML);
  const guest = await attach(host, 'vm1');
  await attach(host, 'vm2');
  await open(host, 'vm3');
  const sending = await guest.ports[0]!.startLoop({ op: 'send', size: 60, rate: 1000, sleep: true });
  try {
    await expect.poll(() => host.packets('vale0:1', 'tx')).toBeGreaterThan(0);
    const before = host.packets('vale0:1', 'tx');
    expect(await ask(host)).toEqual([
      'attached-file host pass',
      `attached-driver ${NET0('vm1')} pass`,
      `attached-drops ${NET0('vm1')} pass`,
      `attached-faults ${NET0('vm1')} pass`,
      `attached-driver ${NET0('vm2')} pass`,
      `attached-drops ${NET0('vm2')} pass`,
      `attached-faults ${NET0('vm2')} pass`,
      `attached-driver ${NET0('vm3')} warn`,
      `attached-faults ${NET0('vm3')} pass`,
    ]);
    await expect.poll(() => host.packets('vale0:1', 'tx')).toBeGreaterThan(before);
  } finally {
    sending.stop();
    await sending.done;
  }
});

test('what is dropped meanwhile is a warning with its cause and what to do; what was dropped before is told', async () => {
  const { host } = await startControlled("vms: { vm1: { devices: [{ port: 'vale0:1' }] } }");
  const guest = await attach(host, 'vm1');
  const yaml = "vms: { vm1: { devices: [{ port: 'vale0:1' }] } }";
  const look = async () => {
    const said = await askHost(host.runDir, signal, 300);
    return lookAtSaid(configOf(host, yaml), said).find(({ id }) => id === 'attached-drops')!;
  };
  const sending = await guest.ports[0]!.startLoop({ op: 'send', size: 60, rate: 5000, sleep: true });
  await expect.poll(() => host.drops('vale0:1', 'tx')).toBeGreaterThan(0);
  expect(await look()).toMatchObject({
    status: 'warn',
    evidence: expect.stringMatching(
      /^vale0:1: \d+ packets\/s sent, 0 received; dropped in [\d.]+ s: no-destination \d+; since the start: no-destination \d+$/,
    ),
    remedy: expect.stringContaining('ptnet show SWITCH'),
  });
  sending.stop();
  await sending.done;
  expect(await look()).toMatchObject({
    status: 'pass',
    evidence: expect.stringMatching(/: none; since the start: no-destination \d+$/),
  });
});

test('a guest that does wrong', async () => {
  const { host } = await startControlled(YAML);
  const guest = await attach(host, 'vm1');
  const ring = guest.ports[0]!.tx[0]!;
  ring.atok.head = 100_000;
  await guest.ports[0]!.ptnet.kick(0);
  await expect.poll(() => host.ring('vale0:1', 'tx').badIndex).toBeGreaterThan(0);
  const said = await askHost(host.runDir, signal, 1);
  expect(lookAtSaid(configOf(host), said).find(({ id }) => id === 'attached-faults')).toMatchObject({
    status: 'warn',
    object: NET0('vm1'),
    evidence: expect.stringMatching(/^since the start: .*badIndex \d+/),
    remedy: "the guest's driver or netmap application is wrong",
  });
});

test('a file that says something else than the host is', async () => {
  const { host } = await startControlled(YAML);
  const yaml = YAML.replace("'vale0:3'", "'vale0:9', policy: poll");
  const said = await askHost(host.runDir, signal, 1);
  expect(lookAtSaid(configOf(host, yaml), said)[0]).toMatchObject({
    id: 'attached-file',
    status: 'warn',
    evidence: expect.stringMatching(
      /is not what the file says: .*~ vms\.vm3\.devices\.net0\.port: vale0:3 -> vale0:9; /,
    ),
  });
});

test('a host of another version may have keys that this one does not know', async () => {
  const { host } = await startControlled(YAML);
  const said = await askHost(host.runDir, signal, 1);
  const newer = { ...said, config: `${said.config}\nwarp: 9\n` };
  expect(lookAtSaid(configOf(host), newer)[0]).toMatchObject({
    id: 'attached-file',
    status: 'warn',
    evidence: expect.stringContaining("has what is unknown here: the host's configuration:"),
  });
});

test('a host that cannot be asked is a warning, and the rest is said', async () => {
  const host = await startHost(YAML);
  const found = [];
  for await (const finding of check(configOf(host), { attached: true })) found.push(finding);
  expect(found.find(({ id }) => id === 'attached-host')?.status).toBe('pass');
  expect(found.find(({ id }) => id === 'attached-file')).toMatchObject({
    status: 'warn',
    evidence: expect.stringMatching(/^the host was not asked: .*control\.sock: no host is running there/),
  });
});
