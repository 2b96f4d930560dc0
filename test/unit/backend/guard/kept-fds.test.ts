// What is stored of a host's descriptors: each file once, for as long as a section needs it, and before it is named.
import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type DescriptorStore, fileOf, KeptFds, numberOf } from '../../../../backend/guard/kept-fds.ts';
import { closeFd, dup, eventfd, memfdCreate, socketPair } from '../../../../native/os.ts';

class Store implements DescriptorStore {
  readonly said: string[] = [];
  put(name: string): void {
    this.said.push(`put ${name}`);
  }
  remove(name: string): void {
    this.said.push(`remove ${name}`);
  }
  settle(): void {}
  take(): string[] {
    return this.said.splice(0);
  }
}

test('a file is stored once, whoever has descriptors of it, and goes with the last section that needs it', () => {
  const store = new Store();
  const fds = new KeptFds(store);
  const memory = memfdCreate('x', 4096);
  const events = [eventfd(), eventfd()];
  const first = fds.for(1);
  expect([memory, dup(memory), ...events].map((fd) => first.add(fd))).toEqual([1, 1, 2, 3]);
  expect(store.take()).toEqual(['put f1', 'put f2', 'put f3']);
  first.settle();
  const second = fds.for(2);
  expect(second.add(memory)).toBe(1);
  second.settle();
  expect(store.take()).toEqual([]);
  const changed = fds.for(1);
  expect(changed.add(events[1]!)).toBe(3);
  changed.settle();
  expect(store.take()).toEqual(['remove f2']);
  fds.for(1).settle();
  expect(store.take()).toEqual(['remove f3']);
  fds.for(2).settle();
  expect(store.take()).toEqual(['remove f1']);
});

test('the ends of a pipe, of a pair, and queues of one device are different files', () => {
  const store = new Store();
  const section = new KeptFds(store).for(1);
  const device = [openSync('/dev/null', 'r+'), openSync('/dev/null', 'r+')];
  const numbers = [...socketPair(), ...device].map((fd) => section.add(fd));
  expect(numbers).toEqual([1, 2, 3, 4]);
  for (const fd of device) closeSync(fd);
});

test('what a process that has died had stored stays until everything is written anew', () => {
  const store = new Store();
  const [memory, event] = [memfdCreate('x', 4096), eventfd()];
  const twice = dup(memory);
  const fds = new KeptFds(
    store,
    new Map([
      [7, fileOf(memory)],
      [9, fileOf(event)],
      [11, fileOf(twice)],
    ]),
  );
  // The same file twice: one is enough.
  expect(store.take()).toEqual(['remove f11']);
  const section = fds.for(1);
  expect(section.add(memory)).toBe(7);
  const other = eventfd();
  expect(section.add(other)).toBe(12);
  section.settle();
  expect(store.take()).toEqual(['put f12']);
  fds.forgetLeft();
  expect(store.take()).toEqual(['remove f9']);
  fds.clear();
  expect(store.take()).toEqual(['remove f7', 'remove f12']);
  for (const fd of [memory, event, twice, other]) closeFd(fd);
});

test('another process is told of files, but of none that only a descriptor of this one tells from others', () => {
  const fds = new KeptFds(new Store());
  const section = fds.for(1);
  const [memory, device] = [memfdCreate('x', 4096), openSync('/dev/null', 'r+')];
  for (const fd of [memory, device]) section.add(fd);
  section.settle();
  const [one, other] = fds.files;
  expect(one).toEqual([1, fileOf(memory)]);
  expect(other![0]).toBe(2);
  expect(other![1]).not.toBe(fileOf(device));
  const store = new Store();
  const next = new KeptFds(store, new Map([one!, other!]));
  const written = next.for(1);
  expect([memory, device].map((fd) => written.add(fd))).toEqual([1, 3]);
  written.settle();
  next.forgetLeft();
  expect(store.take()).toEqual(['put f3', 'remove f2']);
  closeFd(memory);
  closeSync(device);
});

test('names that are none of these have no number', () => {
  expect(['f1', 'f99', 'state', 'f0', 'f01', 'f', 'g1', 'f1x', 'f9999999999'].map(numberOf)).toEqual([
    1,
    99,
    ...Array(7).fill(undefined),
  ]);
});
