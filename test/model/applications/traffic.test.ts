// Applications of the host and driver models of VMs on one switch and on one pipe: what the one sends the other one finds whole.
import { describe, expect, test } from 'vitest';
import { startClient } from '../../harness/application.ts';
import { attach, startHost } from '../scene.ts';

const N = 200_000;
const CLEAN = { lost: 0n, late: 0n, corrupt: 0n };

const PIPE = `
applications: { region: lan, ports: ['p}1'] }
regions: { lan: { buf-num: 8192 } }
vms: { vm1: { region: lan, devices: [{ port: 'p{1' }] } }
`;
const VALE = `
applications: {}
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }
`;

describe.each(['poll', 'adaptive', 'notify'])('policy %s', (policy) => {
  const start = (yaml: string) => startHost(`engine: { policy: ${policy} }\n${yaml}`);

  test('an application sends to a VM through a pipe', async () => {
    const host = await start(PIPE);
    const guest = await attach(host, 'vm1');
    const loop = await guest.ports[0]!.startLoop({
      op: 'receive',
      count: BigInt(N),
      payload: 'full',
      sleep: true,
    });
    const sender = await startClient(host, 'traffic', ['p}1', 'send', N]);
    expect(await sender.result()).toMatchObject({ sent: N });
    expect((await loop.done).received).toMatchObject({ packets: BigInt(N), ...CLEAN });
  });

  test('a VM sends to an application through a pipe', async () => {
    const host = await start(PIPE);
    const guest = await attach(host, 'vm1');
    const receiver = await startClient(host, 'traffic', ['p}1', 'receive', N]);
    await receiver.ready();
    const loop = await guest.ports[0]!.startLoop({
      op: 'send',
      count: BigInt(N),
      payload: 'full',
      sleep: true,
    });
    expect(await receiver.result()).toMatchObject({ received: N, corrupt: 0, lost: 0 });
    expect((await loop.done).sent.packets).toBe(BigInt(N));
  });

  test('an application sends back what a VM sends over a switch', async () => {
    const host = await start(VALE);
    const guest = await attach(host, 'vm1');
    const echo = await startClient(host, 'traffic', ['vale0:app', 'echo', 1000]);
    await echo.ready();
    const loop = await guest.ports[0]!.startLoop({ op: 'ping', count: 1000n, sleep: true });
    expect((await loop.done).received).toMatchObject({ packets: 1000n, ...CLEAN });
    expect(await echo.result()).toMatchObject({ received: 1000, sent: 1000 });
  });

  test('several sleep on one open file', async () => {
    const host = await start('applications: {}');
    const sleepers = await startClient(host, 'sleepers', []);
    expect(await sleepers.result()).toEqual({ failures: 0 });
  });
});

test.each(['poll', 'select', 'epoll', 'ioctl'])('two applications on a pipe, waiting by %s', async (how) => {
  const host = await startHost('applications: {}');
  const receiver = await startClient(host, 'traffic', ['a}1', 'receive', N, how]);
  await receiver.ready();
  // What is made for them is told of as what a file has.
  const state = host.host.state();
  expect(state.ports.map(({ name }) => name)).toEqual(['a{1', 'a}1']);
  expect(state.regions).toMatchObject([{ vms: [], shared: false }]);
  const sender = await startClient(host, 'traffic', ['a{1', 'send', N, how]);
  expect(await sender.result()).toMatchObject({ sent: N });
  expect(await receiver.result()).toMatchObject({ received: N, corrupt: 0, lost: 0 });
  await expect.poll(() => host.host.stats().ports).toEqual([]);
});

test.each(['poll', 'select', 'epoll'])(
  'a packet at a time there and back, each waited for by %s',
  async (how) => {
    const host = await startHost('engine: { policy: notify }\napplications: {}');
    const echo = await startClient(host, 'traffic', ['a}1', 'echo', 2000, how]);
    await echo.ready();
    const ping = await startClient(host, 'traffic', ['a{1', 'ping', 2000, how]);
    expect(await ping.result()).toMatchObject({ sent: 2000, received: 2000, corrupt: 0, lost: 0 });
    expect(await echo.result()).toMatchObject({ received: 2000, corrupt: 0, lost: 0 });
  },
);

test('an application that is killed in full traffic gives its port back, and the next one finds it clean', async () => {
  const host = await startHost(PIPE);
  const guest = await attach(host, 'vm1');
  for (let round = 0; round < 5; round++) {
    const before = host.packets('p}1', 'tx');
    const loop = await guest.ports[0]!.startLoop({ op: 'receive', payload: 'full', sleep: true });
    const sender = await startClient(host, 'traffic', ['p}1', 'send', 1e12]);
    await expect.poll(() => host.packets('p}1', 'tx')).toBeGreaterThan(before + 1000);
    sender.kill();
    await expect.poll(() => host.host.stats().applications?.applications).toEqual([]);
    await expect.poll(() => Number(loop.progress().received)).toBe(host.packets('p}1', 'tx') - before);
    loop.stop();
    expect((await loop.done).received).toMatchObject({ corrupt: 0n });
  }
});
