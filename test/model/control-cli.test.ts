// The commands that look at a live host and change it, as a user types them: what they print, and their exit status.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { run } from '../../backend/cli/program.ts';
import { parseConfig } from '../../backend/config/load.ts';
import { FakeIo } from '../unit/backend/cli/fake-io.ts';
import { startControlled } from './control-scene.ts';
import { attach, onEnd } from './scene.ts';

const YAML = `
regions: { lan: { buf-num: 20000 } }
ports: { 'null:a': { source: { packets: 100 } } }
vms:
  vm1: { devices: [{ port: 'vale0:1' }, { port: 'null:a' }] }
  vm2: { region: lan, devices: [{ port: 'vale0:2' }] }
`;

interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function ptnet(io: FakeIo, ...args: string[]): Promise<Result> {
  const status = await run(args, io, () => Promise.reject(new Error('no host is to be started')));
  return { status, out: io.stdout, err: io.stderr };
}

async function scene(yaml = YAML) {
  const controlled = await startControlled(yaml);
  const { runDir } = controlled.host;
  const type = (...args: string[]): Promise<Result> => ptnet(new FakeIo(), ...args, '--run-dir', runDir);
  const json = async (...args: string[]): Promise<unknown> => JSON.parse((await type(...args, '--json')).out);
  return { ...controlled, type, json, runDir };
}

describe('ls and show', () => {
  test('list everything, for people and for programs', async () => {
    const { type, json, host } = await scene();
    expect((await type('ls')).out).toBe(
      `VM   DEVICE  STATE  PORT     MAC                POLICY    REGION
vm1  net0    no VM  vale0:1  02:00:00:00:01:00  adaptive  vm:vm1
vm1  net1    no VM  null:a   02:00:00:00:01:01  adaptive  vm:vm1
vm2  net0    no VM  vale0:2  02:00:00:00:02:00  adaptive  lan
`,
    );
    await attach(host, 'vm1');
    expect((await type('ls')).out).toContain('vm1  net0    running  vale0:1');
    for (const what of ['ports', 'switches', 'regions', 'workers']) {
      const { status, out } = await type('ls', what);
      expect(status).toBe(0);
      expect(out.split('\n').length).toBeGreaterThan(2);
      expect(await json('ls', what)).toBeInstanceOf(Array);
    }
    expect(await type('ls', 'members')).toEqual({ status: 0, out: '', err: 'no members\n' });
    expect((await type('ls', 'things')).status).toBe(2);
  });

  test('explain counters that are not 0, and nothing else', async () => {
    const { type, json, host } = await scene();
    const guest = await attach(host, 'vm1');
    await (
      await guest.ports[0]!.startLoop({ op: 'send', size: 60, payload: 'stamp', sleep: true, count: 50n })
    ).done;
    await expect.poll(() => host.drops('vale0:2', 'rx')).toBe(50);
    const { out } = await type('show', 'vale0:2');
    expect(out).toContain('port vale0:2 (vale)');
    expect(out).toContain('dropped, down 50: nobody serves the destination');
    expect(out).toContain("to do: 'ptnet show VM' says which of the two");
    expect(out).not.toContain('dropped, full');
    for (const name of ['host', 'vm1', 'vm1/net0', 'vm1/mem', 'vale0', 'lan', 'vm:vm1', 'worker0', 'null:a'])
      expect((await type('show', name)).status, name).toBe(0);
    expect((await type('show', 'vm1/net0')).out).toContain('device vm1/net0 (ptnet): running');
    expect(await json('show', 'vm1')).toMatchObject([{ kind: 'VM', name: 'vm1' }]);
    expect(parseConfig((await type('show', 'config')).out, 'f').vms.size).toBe(2);
    expect(await type('show', 'vm3')).toEqual({
      status: 1,
      out: '',
      err: "ptnet: there is nothing of the name 'vm3' in this host: 'vm1' would be right\n",
    });
  });
});

describe('top', () => {
  test('writes lines, or objects, to what is no terminal', async () => {
    const { type, host } = await scene();
    const guest = await attach(host, 'vm1');
    const loop = await guest.ports[0]!.startLoop({ op: 'send', size: 60, payload: 'none', sleep: true });
    const { status, out } = await type('top', '--count', '2', '--interval', '0.1');
    expect(status).toBe(0);
    expect(out).toMatch(/^\S+Z vale0:1: \S+ TX pps, /m);
    expect(out).toMatch(/worker 0: cpu \d+ %, busy \d+ %/);
    const objects = (await type('top', '--count', '2', '--interval', '0.1', '--json', '--rings')).out
      .trim()
      .split('\n');
    expect(objects).toHaveLength(2);
    expect(JSON.parse(objects[1]!).ports[0].rings[0].pps).toBeGreaterThan(0);
    loop.stop();
    await loop.done;
    expect((await type('top', '--count', '0')).status).toBe(2);
    expect((await type('top', '--interval', '0')).status).toBe(2);
  });

  test('ends when it is asked to, and draws over itself on a terminal', async () => {
    const { runDir } = await scene();
    const written: string[] = [];
    const stream = { write: (text: string) => written.push(text), columns: 80, rows: 24, isTTY: true };
    const io = Object.assign(new FakeIo(), { terminal: { columns: 80, rows: 24, stream } });
    const done = run(['top', '--interval', '0.1', '--run-dir', runDir], io as never, () => Promise.reject());
    await expect.poll(() => written.join('').split('PORT').length).toBeGreaterThan(2);
    io.stop();
    expect(await done).toBe(0);
    expect(io.stdout).toBe('');
    expect(written.join('')).toContain('\u001b[');
  });
});

describe('changes', () => {
  test('set says what has changed, and a second time that there is nothing to change', async () => {
    const { type } = await scene();
    expect(await type('set', 'vale0:1', 'rate=1Gbit')).toEqual({
      status: 0,
      out: "+ ports.'vale0:1'.rate: { tx: 1000000000, rx: 1000000000 }\n",
      err: '',
    });
    expect((await type('set', 'vale0:1', 'rate=1Gbit')).out).toBe('nothing to change\n');
    expect((await type('set', 'vm1/net0', 'policy=poll', '--dry-run')).out).toBe(
      '~ vms.vm1.devices.net0.policy: adaptive -> poll\n',
    );
    expect((await type('set', 'vm1/net0', 'policy=poll')).out).toContain('adaptive -> poll');
    expect((await type('set', 'host', 'spin-us=5', 'log-level=info')).out).toBe(
      '~ engine.spin-us: 100 -> 5\n~ log-level: warn -> info\n',
    );
    expect((await type('set', 'vale0', 'lookup=hub')).out).toContain('lookup');
    for (const [words, why] of [
      [['vm1/net0', 'policy=fast'], 'policy'],
      [['vm1/net7', 'policy=poll'], "'vm1/net0' would be right"],
      [['host', 'spinus=5'], "unknown key 'spinus': 'spin-us' would be right"],
      [['vale0:1', 'rate=1Gbps'], "'1Gbps' may be bits or bytes"],
      [['vale0:1', 'rat=1Gbit'], "unknown key 'rat': 'rate' would be right"],
      [['vale0:1', 'rate'], 'is not KEY=VALUE'],
    ] as const) {
      const { status, err, out } = await type('set', ...words);
      expect(status).toBeGreaterThan(0);
      expect(err).toContain(why);
      expect(out).toBe('');
    }
  });

  test('attach prints how QEMU gets it, detach takes it away', async () => {
    const { type, json } = await scene();
    const { out } = await type('attach', 'vm1', 'vale0:7');
    expect(out).toContain('vms.vm1.devices.net2');
    expect(out).toMatch(/^-device '\{"driver":"vfio-user-pci","id":"ptnet-net2".*net2\.sock/m);
    expect((await type('attach', 'other', 'vale0:8', '--memory', '1G')).out.match(/^-device/gm)).toHaveLength(
      2,
    );
    expect(await json('show', 'other')).toMatchObject([{ memory: '1G' }]);
    expect((await type('detach', 'vm1', 'net2')).out).toContain('- vms.vm1.devices.net2');
    expect((await type('detach', 'other')).status).toBe(0);
    expect((await type('detach', 'other')).err).toContain("there is no VM 'other'");
    expect((await type('attach', 'vm1', 'vale0:2')).err).toContain("belongs to vm2's net0 already");
    // A monitor that is none: the host does not keep what the VM has not got.
    const { err, status } = await type('attach', 'vm1', 'vale0:7', '--qmp', '/nowhere/qmp');
    expect(status).toBe(1);
    expect(err).toContain('/nowhere/qmp');
    expect((await type('ls')).out).not.toContain('vale0:7');
  });

  test('what QEMU does not take the host does not keep, unless it has taken a part', async () => {
    const { type, client, runDir } = await scene();
    const path = join(runDir, 'qmp');
    const asked: string[] = [];
    // A QEMU that takes so many devices.
    let takes = 0;
    const qemu = createSocket((socket) => {
      socket.on('error', () => {});
      socket.write('{"QMP":{}}\n');
      createInterface(socket).on('line', (line) => {
        const { execute, arguments: device } = JSON.parse(line) as {
          execute: string;
          arguments?: { id: string };
        };
        if (device) asked.push(device.id);
        const no = execute === 'device_add' && takes-- <= 0;
        socket.write(no ? '{"error":{"desc":"no slot left"}}\n' : '{"return":{}}\n');
      });
    });
    await new Promise<void>((resolve) => qemu.listen(path, resolve));
    onEnd(() => void qemu.close());
    const attachNew = (port: string) => type('attach', 'new', port, '--qmp', path);
    // Not even the memory device: the VM goes with it.
    expect(await attachNew('null:n')).toMatchObject({
      status: 1,
      err: `ptnet: ${path}: device_add: no slot left\n`,
    });
    expect((await client.vms()).map(({ name }) => name)).toEqual(['vm1', 'vm2']);
    // The memory device alone: without the VM it would be dead.
    takes = 1;
    const { err, status } = await attachNew('null:n');
    expect(status).toBe(1);
    expect(err).toMatch(
      /^warning: new: QEMU has a device of it, so it stays in the host; what it lacks: -device '\{.*"ptnet-net0".*\}'\n/,
    );
    expect(err).toContain(`ptnet: ${path}: device_add: no slot left\n`);
    expect((await client.vm('new')).devices.map(({ name }) => name)).toEqual(['mem', 'net0']);
    // One device more, which QEMU does not take, is alone with that.
    asked.length = 0;
    expect((await attachNew('null:m')).status).toBe(1);
    expect(asked).toEqual(['ptnet-net1']);
    expect((await client.vm('new')).devices.map(({ name }) => name)).toEqual(['mem', 'net0']);
    await client.change('DELETE', '/v1/vms/new');
    takes = 2;
    expect(await attachNew('null:n')).toMatchObject({ status: 0, err: '' });
  });

  test('a dry run by force says what force cannot bring about', async () => {
    const { type, host, runDir } = await scene();
    await attach(host, 'vm1');
    const file = join(runDir, 'next.yaml');
    const next = (head: string) =>
      writeFileSync(file, `run-dir: ${runDir}\n${head}\n${YAML.replace("'vale0:1'", "'vale0:7'")}`);
    next('engine: { workers: 2 }');
    const { status, err } = await type('apply', file, '--dry-run', '--force');
    expect(status).toBe(1);
    expect(err).toContain('engine.workers: 1 -> 2');
    expect(err).not.toContain("or 'force'");
    next('');
    expect(await type('apply', file, '--dry-run', '--force')).toMatchObject({ status: 0, err: '' });
    expect((await type('apply', file, '--dry-run')).status).toBe(1);
  });

  test('apply shows what will be different; a dry run leaves it at that', async () => {
    const { type, runDir } = await scene();
    const file = join(runDir, 'next.yaml');
    writeFileSync(file, `run-dir: ${runDir}\n${YAML.replace("'vale0:2'", "'vale0:3'")}`);
    const planned = await type('apply', file, '--dry-run');
    expect(planned).toMatchObject({ status: 0, err: '' });
    expect(planned.out).toContain('~ vms.vm2.devices.net0.port: vale0:2 -> vale0:3\n');
    expect((await type('ls')).out).toContain('vale0:2');
    expect((await type('apply', file)).out).toBe(planned.out);
    expect((await type('apply', file)).out).toBe('nothing to change\n');
    writeFileSync(file, `run-dir: ${runDir}\nengine: { workers: 3 }\n${YAML}`);
    const refused = await type('apply', file, '--dry-run');
    expect(refused.status).toBe(1);
    expect(refused.err).toContain('engine.workers: 1 -> 3');
    expect((await type('apply', file)).status).toBe(1);
    writeFileSync(file, 'vms: { vm1: { devices: [{ port: vale0 }] } }');
    const wrong = await type('apply', file);
    expect(wrong.status).toBe(1);
    expect(wrong.err).toContain(`vms.vm1.devices[0].port: 'vale0' is a switch without a port`);
    expect(await type('apply', '/nowhere.yaml')).toMatchObject({ status: 2 });
  });

  test('regions and addresses of switches', async () => {
    const { type, json } = await scene();
    expect((await type('region', 'add', 'spare', 'buf-num=5000')).out).toMatch(/^\+ regions\.spare: /);
    expect((await type('region', 'remove', 'spare')).out).toMatch(/^- regions\.spare: /);
    expect((await type('region', 'remove', 'lan')).err).toContain("vms.vm2.region: there is no region 'lan'");
    expect(await type('fdb', 'list')).toEqual({ status: 0, out: '', err: 'no address is known\n' });
    expect((await type('fdb', 'add', 'vale0', '02:00:00:00:00:09', 'vale0:2')).status).toBe(0);
    expect((await type('fdb', 'list')).out).toBe(
      'SWITCH  ADDRESS            PORT     SEEN\nvale0   02:00:00:00:00:09  vale0:2  static\n',
    );
    expect(await json('fdb', 'list', 'vale0')).toHaveLength(1);
    expect((await type('fdb', 'flush', 'vale0')).out).toBe('0 forgotten\n');
    expect((await type('fdb', 'flush', 'vale0', '--static', '--port', 'vale0:2')).out).toBe('1 forgotten\n');
    expect((await type('fdb', 'remove', 'vale0', '02:00:00:00:00:09')).err).toContain('is not known there');
    expect((await type('fdb', 'add', 'vale0', 'nonsense', 'vale0:2')).err).toContain('nonsense');
    expect((await type('fdb', 'add', 'vale0', '02:00:00:00:00:09', 'x')).err).toContain(
      "'vale0:1' or 'vale0:2' would be right",
    );
  });

  test("vale-ctl's letters", async () => {
    const { type, json } = await scene();
    expect((await type('vale', '-l')).out).toBe(
      'vale0:1 bridge_idx 0 port_idx 0\nvale0:2 bridge_idx 0 port_idx 1\n',
    );
    expect((await type('vale', '-g', 'vale0:2')).out).toBe('vale0:2 bridge_idx 0 port_idx 1\n');
    expect(await json('vale')).toHaveLength(2);
    expect((await type('vale', '-p', 'vale0:1')).out).toContain('adaptive -> poll');
    expect((await type('vale', '-P', 'vale0:1')).out).toContain('poll -> adaptive');
    expect((await type('vale', '-a', 'vale0')).err).toContain("'vale0:eth1' would be right");
    expect((await type('vale', '-a', 'vale0:nope7')).err).toContain('nope7');
    expect((await type('vale', '-d', 'vale0:nope7')).err).toContain('does not stand there');
    expect((await type('vale', '-g', 'vale0:9')).err).toContain('does not stand on a switch');
    expect((await type('vale', '-l', '-g', 'vale0:1')).status).toBe(2);
    expect((await type('vale', '-h', 'vale0:nope7')).err).toContain('nope7');
  });
});

describe('without a host that answers', () => {
  function folder(): string {
    const path = mkdtempSync(join(tmpdir(), 'ptnet-none-'));
    onEnd(() => rmSync(path, { recursive: true }));
    return path;
  }
  const ls = (runDir: string) => ptnet(new FakeIo(), 'ls', '--run-dir', runDir);

  test('no host, and one that has ended without tidying up', async () => {
    const path = folder();
    expect(await ls(path)).toEqual({
      status: 1,
      out: '',
      err: `ptnet: ${path}/control.sock: no host is running there: 'ptnet up FILE' starts one, and --run-dir says where another one is\n`,
    });
    writeFileSync(join(path, 'control.sock'), '');
    expect((await ls(path)).err).toContain('no host is running there, this is left of one that has ended');
  });

  test('a host of another version, and something else than a host', async () => {
    const path = folder();
    const answer = (type: string, text: string) =>
      new Promise<() => void>((resolve) => {
        const server = createServer((_, response) => response.setHeader('content-type', type).end(text));
        server.listen(join(path, 'control.sock'), () => resolve(() => server.close()));
      });
    const stop = await answer('application/json', '{"api":2,"version":"7.0.0"}');
    const file = join(path, 'host.yaml');
    writeFileSync(file, 'vms: {}\n');
    for (const words of [
      ['ls'],
      ['show', 'vm1'],
      ['top'],
      ['apply', file],
      ['fdb', 'list', 'vale0'],
      ['detach', 'vm1'],
    ]) {
      const { status, out, err } = await ptnet(new FakeIo(), ...words, '--run-dir', path);
      expect({ words, status, out }).toEqual({ words, status: 1, out: '' });
      expect(err).toContain('the host there is of version 7.0.0, and this is 0.1.0');
    }
    stop();
    const other = createSocket((socket) => socket.end('hello\n'));
    await new Promise<void>((resolve) => other.listen(join(path, 'control.sock'), resolve));
    onEnd(() => void other.close());
    expect(await ls(path)).toMatchObject({ status: 1, out: '' });
  });
});
