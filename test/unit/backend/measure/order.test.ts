// Nobody's time starts while others cannot take part yet: processes are there first, and wait; VMs say when they run.
import { expect, test } from 'vitest';
import type { Loop, Part } from '../../../../backend/measure/guests.ts';
import { startInOrder } from '../../../../backend/measure/order.ts';

const device = (vm: string, loop: Loop): Part => ({
  end: { kind: 'device', vm, device: 'net0', port: 'vale0:1', mac: '02:00:00:00:01:00' },
  loop,
});
const application = (port: string, loop: Loop): Part => ({
  end: { kind: 'application', port, mac: '02:00:00:00:02:00' },
  loop,
});
const idle = {
  done: new Promise<never>(() => {}),
  progress: () => ({ sent: 0, received: 0 }),
  stop: () => {},
};

/** Writes down what begins; each VM runs a while after it was told to. */
async function orderOf(parts: readonly Part[]): Promise<string[]> {
  const order: string[] = [];
  const started = await startInOrder(parts, {
    inVm: ({ vm }) => {
      order.push(`${vm} is told`);
      const began = new Promise<void>((resolve) => setImmediate(resolve)).then(
        () => void order.push(`${vm} runs`),
      );
      return { ...idle, began };
    },
    held: async (others) => {
      order.push(`${others.map(({ end }) => end.port)} wait`);
      return others.map(({ end }) => () => {
        order.push(`${end.port} goes`);
        const began = new Promise<void>((resolve) => setImmediate(resolve)).then(
          () => void order.push(`${end.port} runs`),
        );
        return { ...idle, began };
      });
    },
  });
  expect(started).toHaveLength(parts.length);
  return order;
}

test('both ways between a VM and an application: the application is there before the VM begins, and goes once it runs', async () => {
  const parts = [device('vm1', { op: 'duplex' }), application('vale0:app', { op: 'duplex' })];
  const order = ['vale0:app wait', 'vm1 is told', 'vm1 runs', 'vale0:app goes', 'vale0:app runs'];
  expect(await orderOf(parts)).toEqual(order);
  expect(await orderOf(parts.toReversed())).toEqual(order);
});

test('both ways between two VMs: neither waits for the other', async () => {
  const parts = [device('vm1', { op: 'duplex' }), device('vm2', { op: 'duplex' })];
  expect((await orderOf(parts)).slice(0, 2)).toEqual(['vm1 is told', 'vm2 is told']);
});

test('a receiver runs before its sender begins, wherever they are', async () => {
  const [receive, send] = [{ op: 'receive' }, { op: 'send' }] as const;
  expect(await orderOf([device('vm1', receive), device('vm2', send)])).toEqual([
    'vm1 is told',
    'vm1 runs',
    'vm2 is told',
    'vm2 runs',
  ]);
  expect(await orderOf([device('vm1', receive), application('vale0:app', send)])).toEqual([
    'vale0:app wait',
    'vm1 is told',
    'vm1 runs',
    'vale0:app goes',
    'vale0:app runs',
  ]);
  expect(await orderOf([application('vale0:app', receive), device('vm1', send)])).toEqual([
    'vale0:app wait',
    'vale0:app goes',
    'vale0:app runs',
    'vm1 is told',
    'vm1 runs',
  ]);
});

test('an end that cannot be had is said before any VM is told to do something', async () => {
  const told: string[] = [];
  const starting = startInOrder([device('vm1', { op: 'duplex' }), application('vale7:a', { op: 'duplex' })], {
    inVm: ({ vm }) => {
      told.push(vm);
      return { ...idle, began: Promise.resolve() };
    },
    held: async () => {
      throw new Error('vale7:a: register: EINVAL');
    },
  });
  await expect(starting).rejects.toThrow('vale7:a: register');
  expect(told).toEqual([]);
});

test('without VMs a receiver runs before its sender is told to', async () => {
  const order: string[] = [];
  const parts = [device('vm1', { op: 'receive' }), application('vale0:app', { op: 'send' })];
  await startInOrder(parts, {
    held: async (all) =>
      all.map(({ end }) => () => {
        order.push(`${end.port} goes`);
        const began = Promise.resolve().then(() => void order.push(`${end.port} runs`));
        return { ...idle, began };
      }),
  });
  expect(order).toEqual(['vale0:1 goes', 'vale0:1 runs', 'vale0:app goes', 'vale0:app runs']);
});
