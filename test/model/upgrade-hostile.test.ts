// What is no state of a host is refused by whoever is to go on with it, and whoever speaks nonsense to a host gets nothing: the host goes on.
import { expect, test, vi } from 'vitest';
import type { Guest } from '../../guest-driver/model/index.ts';
import { handover, PACKET_BYTES_MAX } from '../../native/handover.ts';
import { closeFd, eventfd } from '../../native/os.ts';
import { CABLE, netns } from '../harness/interfaces.ts';
import { onEnd } from './scene.ts';
import { type Anything, connect, HELLO, hear, offer, refusesAll, send, tell } from './telling.ts';
import { PIPE, Upgraded } from './upgraded.ts';

vi.setConfig({ testTimeout: 400_000 });

const SCRIBBLES: Record<string, (state: Anything) => void> = {
  'a descriptor that is not there': (s) => (s.stats = 9999),
  'a descriptor that is used twice': (s) => (s.stats = s.regions[0].fd),
  'another kind of descriptor for memory': (s) => {
    [s.regions[0].fd, s.devices[0].listener] = [s.devices[0].listener, s.regions[0].fd];
  },
  'another kind of descriptor for a listening socket': (s) => {
    [s.devices[0].listener, s.devices[0].session.fd] = [s.devices[0].session.fd, s.devices[0].listener];
  },
  'another kind of descriptor for the last listening socket': (s) => {
    const last = s.devices.at(-1);
    [last.listener, last.session.fd] = [last.session.fd, last.listener];
  },
  'a configuration that is none': (s) => (s.config = 'vms: ['),
  'a configuration without its VMs': (s) => (s.config = 'vms: {}'),
  'a key that nobody knows': (s) => (s.more = 1),
  'a region of another size': (s) => (s.regions[0].bufs = [[0, 3]]),
  'a region with millions of objects': (s) => (s.regions[0].bufs = [[0, 4_000_000_000]]),
  'a region that is not in the configuration': (s) =>
    s.regions.push({ ...s.regions[0], key: 'region:other', fd: s.devices[0].listener }),
  'a ring that is somebody else’s': (s) =>
    (s.ports[0].places.rings[0].offset = s.ports[0].otherPlaces.rings[0].offset),
  'a ring outside its region': (s) => (s.ports[0].places.rings[0].offset = 2 ** 40),
  'an index beyond its ring': (s) => (s.ports[0].places.rings[0].hwcur = 1024),
  'counters that are used twice': (s) =>
    (s.ports[0].places.rings[1].counters = s.ports[0].places.rings[0].counters),
  'a device that is not there': (s) => (s.devices[0].name = 'other'),
  'a device of another kind': (s) => delete s.devices[1].ptnet,
  'fewer interrupts than it has': (s) => s.devices[1].session.msix.pop(),
  'an interrupt that is no eventfd': (s) => {
    const { session } = s.devices[1];
    [session.msix[0].fd, session.fd] = [session.fd, session.msix[0].fd];
  },
  'a CSB outside the guest’s memory': (s) => (s.devices[1].ptnet.csb.guestToHost = '18446744073709551552'),
  'memory of a guest that wraps around': (s) => (s.devices[1].session.dma[0].size = '18446744073709551615'),
  'a whole message that was not dealt with': (s) =>
    (s.devices[1].session.bytes = Buffer.from([1, 0, 2, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).toString(
      'base64',
    )),
  'a session that is kept': (s) => (s.devices[0].session.kept = { block: 0, pipe: [s.stats, s.stats] }),
  'what a host is kept with': (s) => {
    s.kept = { blocks: s.stats, state: s.stats, files: [], sections: [] };
  },
  'other workers than it has': (s) => s.counters.workers.push(s.counters.workers[0]),
  'counters of a device that is not there': (s) => (s.counters.devices[0].name = 'other'),
  'a limit of a port that is not there': (s) =>
    s.counters.limits.push({ name: 'vale0:other', missingNs: [0, 0, 0, 0, 0] }),
  'no control socket': (s) => s.own.splice(0),
};

/** Of what comes behind a draft of which most has been built. */
const LATE_SCRIBBLES: Record<string, (state: Anything) => void> = {
  'other regions': (s) => (s.regions = []),
  'another configuration': (s) => (s.config += '\n'),
  'another file': (s) => (s.file = '/nowhere'),
  'another run-dir': (s) => (s.runDir.through = 1),
  'one port fewer': (s) => s.ports.pop(),
  'one port twice': (s) => s.ports.push(s.ports[0]),
  'another port': (s) => (s.ports[0].name = 'p{other'),
  'a pipe with one end': (s) => delete s.ports[0].otherPlaces,
  'a ring elsewhere': (s) => (s.ports[0].places.rings[0].offset += 64),
  'other counters': (s) => (s.ports[0].places.rings[0].counters = 100),
  'a ring fewer': (s) => s.ports[0].places.rings.pop(),
  'an index beyond its ring': (s) => (s.ports[0].otherPlaces.rings[0].hwtail = 1024),
  'offsets beyond a buffer': (s) => (s.ports[0].places.rings[0].offsetMax = 4096),
  'another netmap_if': (s) => (s.ports[0].places.nifpOfs += 64),
  'somebody else’s': (s) => (s.ports[0].places.holder = s.ports[0].otherPlaces.holder),
  'one device fewer': (s) => s.devices.pop(),
  'another device': (s) => (s.devices[0].name = 'other'),
  'applications that it has not': (s) => (s.applications = s.stats),
  'an interface that it has not': (s) =>
    s.interfaces.push({
      ...{ name: 'tap:t', kind: 'tap', queues: [s.stats], news: s.stats, counters: [], made: true },
      ...{ backpressure: false, udpSegments: false, carrier: true, vnetHdr: 0, offloads: 0 },
      link: { index: 1, name: 't', mtu: 1500, up: true, carrier: true, rxQueues: 1, master: 0, peer: 0 },
    }),
  'no control socket': (s) => s.own.splice(0),
  'a session of no socket': (s) => ([s.devices[0].session.fd, s.stats] = [s.stats, s.devices[0].session.fd]),
  'other workers': (s) => s.counters.workers.push(s.counters.workers[0]),
};

const INTERFACE_SCRIBBLES: Record<string, (interfaces: Anything, state: Anything) => void> = {
  'no interfaces': (all) => all.splice(0),
  'one that is not there': (all) => all.pop(),
  'one twice': (all) => all.push(all[0]),
  'another name': (all) => (all[0].name = 'tap:other'),
  'a tap in the place of an interface': (all) => ([all[0].name, all[2].name] = [all[2].name, all[0].name]),
  'counters of a member, of a port': ([x]) => (x.counters = [0, 1]),
  'no counters, of a member': ([, , t]) => (t.counters = []),
  "somebody else's counters": ([, , t], s) =>
    (t.counters = s.ports[0].places.rings.map((r: Anything) => r.counters)),
  'counters twice': ([, , t]) => (t.counters = [t.counters[0], t.counters[0]]),
  'one queue fewer': ([, y]) => y.sockets.pop(),
  'one queue more': ([x, y]) => x.sockets.push(y.sockets.pop()),
  'two queues of one descriptor': ([, y]) => (y.sockets[1].fd = y.sockets[0].fd),
  'the socket of another interface': ([x, y]) =>
    ([x.sockets[0].fd, y.sockets[0].fd] = [y.sockets[0].fd, x.sockets[0].fd]),
  'the one that sends large frames for the one with rings': ([x]) =>
    ([x.sockets[0].fd, x.sockets[0].largeFd] = [x.sockets[0].largeFd, x.sockets[0].fd]),
  'a tap for a socket': ([x, , t]) => ([x.sockets[0].fd, t.queues[0]] = [t.queues[0], x.sockets[0].fd]),
  'memory for a socket': ([x], s) => ([x.sockets[0].fd, s.stats] = [s.stats, x.sockets[0].fd]),
  'memory for a tap': ([, , t], s) => ([t.queues[0], s.stats] = [s.stats, t.queues[0]]),
  'memory for news': ([x], s) => ([x.news, s.stats] = [s.stats, x.news]),
  'a socket without news': ([x]) => ([x.news, x.links] = [x.links, x.news]),
  'other slots': ([x]) => (x.sockets[0].slots = 256),
  'more to be sent than there is room for': ([x]) => (x.sockets[0].put = (x.sockets[0].sent + 513) >>> 0),
  'a large frame that is none': ([x]) => (x.sockets[0].large = Buffer.alloc(12).toString('base64')),
  'a larger frame than there can be': ([x]) => (x.sockets[0].large = Buffer.alloc(69_000).toString('base64')),
  'another interface': ([x, y]) => (x.link.index = y.link.index),
  'no interface': ([x]) => (x.link.index = 0),
  'a header that no tap has': ([, , t]) => (t.vnetHdr = 11),
  'no header': ([, , t]) => (t.vnetHdr = t.vnetHdr === 0 ? 12 : 0),
  'offloads that there are not': ([, , t]) => (t.offloads = 3),
};

test('interfaces that are told wrongly are refused, and those of the host go on', async () => {
  const net = await netns(CABLE);
  const host = new Upgraded(`
switches: { vale0: { members: ['tap:t'] } }
ports:
  'netmap:x': { netns: ${net.path} }
  'netmap:y': { netns: ${net.path}, tx-rings: 2, rx-rings: 2 }
  'tap:t': { netns: ${net.path} }
vms:
  vm1: { devices: [{ port: 'netmap:x' }] }
  vm2: { devices: [{ port: 'netmap:y' }] }
`);
  const running = await host.start();
  const guests = [await host.attach('vm1'), await host.attach('vm2')];
  for (const guest of guests) await guest.create();
  const told = tell(host);
  const whole = await offer(host, told, JSON.stringify(told.state), told.fds);
  expect(whole.answer, 'what was not changed').toEqual({ kind: 'prepared' });
  await refusesAll(
    host,
    told,
    (state) => {
      const order = ['netmap:x', 'netmap:y', 'tap:t'];
      state.interfaces.sort((a: Anything, b: Anything) => order.indexOf(a.name) - order.indexOf(b.name));
      return state.interfaces;
    },
    INTERFACE_SCRIBBLES,
  );
  await exchange(guests);
  await host.takeOver(running);
});

async function exchange([from, to]: readonly Guest[]): Promise<void> {
  const what = { size: 60, payload: 'full', sleep: true, count: 2000n } as const;
  const receiving = await to!.ports[0]!.startLoop({ op: 'receive', ...what });
  await (await from!.ports[0]!.startLoop({ op: 'send', ...what, rate: 10_000 })).done;
  expect((await receiving.done).received).toMatchObject({ packets: 2000n, lost: 0n, corrupt: 0n });
}

test('a state that is wrong is refused by the process that was to go on with it, which ends; the host goes on', async () => {
  const host = new Upgraded(PIPE);
  const running = await host.start();
  const guests = [await host.attach('vm1'), await host.attach('vm2')];
  for (const guest of guests) await guest.create();
  const told = tell(host);
  const { state, fds } = told;
  const whole = await offer(host, told, JSON.stringify(state), fds);
  expect(whole.answer, 'what was not changed').toEqual({ kind: 'prepared' });
  const { draft, rest } = told;
  const late = await offer(host, told, JSON.stringify(rest.state), rest.fds, rest.fds.length, draft);
  expect(late.answer, 'what was not changed behind its draft').toEqual({ kind: 'prepared' });
  await refusesAll(host, told, (all) => all, SCRIBBLES, { state, fds });
  await refusesAll(host, told, (all) => all, LATE_SCRIBBLES, { ...rest, draft });
  for (const [text, some, announced] of [
    ['{', fds, fds.length],
    ['[]', fds, fds.length],
    [JSON.stringify(state), fds.slice(1), fds.length],
    [JSON.stringify(state), [...fds, fds[0]!], fds.length],
    [JSON.stringify(state), fds, 1_000_000],
  ] as const)
    expect(await offer(host, told, text, some, announced)).toMatchObject({ code: 1, signal: null });
  await exchange(guests);
  await host.takeOver(running);
});

test('nonsense on the socket is hung up on, and the host can be taken over afterwards', async () => {
  const host = new Upgraded(PIPE);
  const running = await host.start();
  const event = eventfd();
  onEnd(() => closeFd(event));
  for (const [first, fds] of [
    [{ kind: 'hello' }, []],
    [{ kind: 'nonsense' }, []],
    [{ kind: 'go' }, []],
    [{ ...HELLO, more: 1 }, []],
    [{ ...HELLO, protocol: -1 }, []],
    [HELLO, [event]],
  ] as const) {
    const socket = connect(host);
    send(socket, first, fds);
    expect(hear(socket), JSON.stringify(first)).toMatchObject({ kind: 'refused' });
    expect(hear(socket)).toBeUndefined();
    closeFd(socket);
  }
  const garbage = connect(host);
  handover.packetSend(garbage, Buffer.alloc(PACKET_BYTES_MAX, 0xff), [], 1000);
  expect(hear(garbage)).toMatchObject({ kind: 'refused' });
  closeFd(garbage);
  const [one, two] = [connect(host), connect(host)];
  send(one, HELLO);
  send(two, HELLO);
  expect(hear(one)).toMatchObject({ kind: 'plan' });
  expect(hear(two)).toMatchObject({ kind: 'refused', why: 'another process is taking it over' });
  closeFd(one);
  closeFd(two);
  const stray = connect(host);
  send(stray, { ...HELLO, startedBy: 1 });
  expect(hear(stray)).toMatchObject({
    kind: 'refused',
    why: expect.stringContaining('not the host any more'),
  });
  closeFd(stray);
  await host.takeOver(running);
});
