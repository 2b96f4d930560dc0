// A host is taken over by another process under its guests: nothing is lost, doubled or altered; what fails leaves the first one as it was.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { handover } from '../../native/handover.ts';
import { closeFd } from '../../native/os.ts';
import { fdsOf, PIPE, Upgraded, VALE } from './upgraded.ts';

vi.setConfig({ testTimeout: 120_000 });

test('two guests on a switch exchange packets through five takeovers: none is lost, doubled or altered', async () => {
  const host = new Upgraded(VALE);
  let before = await host.start();
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  const count = 60_000n;
  const receiving = await to.ports[0]!.startLoop({
    op: 'receive',
    size: 200,
    payload: 'full',
    sleep: true,
    count,
  });
  const sending = await from.ports[0]!.startLoop({
    op: 'send',
    size: 200,
    payload: 'full',
    sleep: true,
    count,
    rate: 10_000,
  });
  for (let i = 0; i < 5; i++) {
    before = await host.takeOver(before);
  }
  await sending.done;
  expect((await receiving.done).received).toMatchObject({ packets: count, lost: 0n, late: 0n, corrupt: 0n });
  const rings = (await host.client().ports()).find(({ name }) => name === 'vale0:1')!;
  expect(JSON.stringify(rings)).toContain(`"packets":${count}`);
  // The sockets are those that were: another client comes, and the control API answers.
  await from.close();
  const again = await host.attach('vm1');
  await again.create();
  before.child.kill('SIGTERM');
  await once(before.child, 'exit');
  expect(existsSync(host.runDir)).toBe(false);
});

test('one that goes away half way leaves the first as it was: its guests, its sockets, its descriptors', async () => {
  const host = new Upgraded(VALE);
  const { child, text } = await host.start();
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  const ask = (...messages: object[]) => {
    const socket = handover.packetsConnect(join(host.runDir, 'upgrade.sock'));
    const say = (message: object) =>
      handover.packetSend(socket, Buffer.from(JSON.stringify(message)), [], 1000);
    const heard: string[] = [];
    for (const message of messages) {
      say(message);
      const packet = handover.packetReceive(socket, 5000);
      heard.push(Buffer.from(packet?.bytes ?? []).toString('utf8'));
    }
    return { socket, heard };
  };
  const exchange = async () => {
    const receiving = await to.ports[0]!.startLoop({
      op: 'receive',
      size: 60,
      payload: 'full',
      sleep: true,
      count: 500n,
    });
    await (
      await from.ports[0]!.startLoop({
        op: 'send',
        size: 60,
        payload: 'full',
        sleep: true,
        count: 500n,
        rate: 20_000,
      })
    ).done;
    expect((await receiving.done).received).toMatchObject({ packets: 500n, corrupt: 0n });
  };
  await exchange();
  const hello = { kind: 'hello', protocol: 1, state: 1, version: 'test', file: false };
  const fds = fdsOf(child.pid!);
  for (const messages of [
    [],
    [hello],
    [hello, { kind: 'go' }],
    [{ kind: 'go' }],
    [{ ...hello, protocol: 99 }],
  ]) {
    const { socket } = ask(...messages);
    closeFd(socket);
    await expect
      .poll(() => fdsOf(child.pid!), { timeout: 20_000, message: JSON.stringify(messages) })
      .toEqual(fds);
    await exchange();
  }
  expect(text()).toContain('came to nothing');
  expect((await host.client().host()).pid).toBe(child.pid);
  await from.close();
  const again = await host.attach('vm1');
  await again.create();
});

test('what cannot be handed over is named, and the host goes on', async () => {
  const host = new Upgraded(
    "vms: { vm1: { devices: [{ port: 'null:a' }] } }\nports: { 'null:a': { sink: { verify: true } } }",
  );
  const { child } = await host.start();
  const other = host.run('--takeover');
  await once(other.child, 'exit');
  expect(other.child.exitCode).toBe(1);
  expect(other.text()).toContain('null:a: a sink that verifies cannot be handed over yet');
  expect((await host.client().host()).pid).toBe(child.pid);
});

test('where no host is there is none to take over', async () => {
  const host = new Upgraded(VALE);
  const alone = host.run('--takeover');
  await once(alone.child, 'exit');
  expect(alone.child.exitCode).toBe(1);
  expect(alone.text()).toContain('no host is there');
});

test('a pipe in traffic goes through three takeovers: nothing is lost, doubled or altered', async () => {
  const host = new Upgraded(PIPE);
  let before = await host.start();
  const [from, to] = [await host.attach('vm1'), await host.attach('vm2')];
  await from.create();
  await to.create();
  const count = 200_000n;
  const what = { size: 200, payload: 'full', sleep: true, count } as const;
  const receiving = await to.ports[0]!.startLoop({ op: 'receive', ...what });
  const sending = await from.ports[0]!.startLoop({ op: 'send', ...what, rate: 40_000 });
  for (let i = 0; i < 3; i++) {
    before = await host.takeOver(before);
  }
  await sending.done;
  expect((await receiving.done).received).toMatchObject({ packets: count, lost: 0n, late: 0n, corrupt: 0n });
});
