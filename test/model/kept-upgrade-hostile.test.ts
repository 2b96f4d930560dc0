// What a host is kept with, told wrongly to a process that is to go on with it: refused, and the host goes on.
import { writeSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { StateFile } from '../../backend/guard/state-file.ts';
import { KEPT_SESSIONS } from '../../backend/taken-host.ts';
import { KeptArea } from '../../native/kept.ts';
import { closeFd, setNonblocking, socketPair } from '../../native/os.ts';
import { onEnd } from './scene.ts';
import { type Anything, offer, refusesAll, tell } from './telling.ts';
import { PIPE, Upgraded } from './upgraded.ts';

vi.setConfig({ testTimeout: 200_000 });

const BLOCK_BYTES = 64;
const UNKNOWN = 77;

const SCRIBBLES: Record<string, (state: Anything) => void> = {
  'nothing that it is kept with': (s) => delete s.kept,
  'blocks that are the state': (s) => (s.kept.blocks = s.kept.state),
  'a state that is other memory': (s) => (s.kept.state = s.stats),
  'a descriptor that is not there': (s) => (s.kept.state = 9999),
  'a session that is not kept': (s) => delete s.devices[1].session.kept,
  'a block of two sessions': (s) => (s.devices[1].session.kept.block = s.devices[0].session.kept.block),
  'a block that is not there': (s) => (s.devices[1].session.kept.block = KEPT_SESSIONS),
  'a session in the middle of an answer': (s) => (s.devices[1].session.kept.block = UNKNOWN),
  'a key that nobody knows': (s) => (s.kept.more = 1),
};

test('a state of a host that is kept', async () => {
  const host = new Upgraded(PIPE);
  await host.start();
  for (const vm of ['vm1', 'vm2']) await (await host.attach(vm)).create();
  const told = tell(host);
  const blocks = new KeptArea(KEPT_SESSIONS);
  const fds = [...told.fds];
  const add = (fd: number) => fds.push(fd) - 1;
  const state = structuredClone(told.state);
  const file = StateFile.create();
  const own: number[] = [file.fd];
  state.kept = { blocks: add(blocks.fd), state: add(file.fd), files: [[3, 'a file']], sections: [] };
  for (const [block, { session }] of state.devices.entries()) {
    const ends = socketPair();
    for (const end of ends) setNonblocking(end);
    own.push(...ends);
    session.kept = { block, pipe: ends.map(add) };
  }
  onEnd(() => own.forEach(closeFd));
  // The word of a session that answers directly: nobody knows how far it was.
  writeSync(blocks.fd, Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]), 0, 8, UNKNOWN * BLOCK_BYTES);
  const start = (other: Upgraded) =>
    other.commandWith({ NOTIFY_SOCKET: '@nobody' }, 'upgrade', '--keep', '--run-dir', other.runDir);
  const whole = await offer(host, told, JSON.stringify(state), fds, fds.length, undefined, start);
  expect(whole.answer, whole.text).toEqual({ kind: 'prepared' });
  await refusesAll(host, told, (all) => all, SCRIBBLES, { state, fds }, start);
  expect((await host.client().host()).pid).toBeDefined();
});
