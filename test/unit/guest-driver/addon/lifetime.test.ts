// A loop and the environment it was started from: an environment that ends takes its loops with it.
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/load.ts';
import { FakePort } from './fake-port.ts';

const ADDON = join(packageRoot(), 'guest-driver/addon/build/Release/ptnetguest.node');

/** Starts a loop without a limit, says so, and then waits for ever or ends. */
const SCRIPT = `
  const { parentPort, workerData } = require('node:worker_threads');
  const addon = require(workerData.addon);
  const loop = workerData.echo ? addon.startDuo(workerData.options, workerData.echo) : addon.startLoop(workerData.options);
  parentPort.postMessage('running');
  if (workerData.exit) process.exit(0);
`;

test.each([
  ['spinning', {}],
  ['sleeping', { sleep: true, spinUs: 0 }],
])('a worker thread that is terminated while its loop is %s ends the loop', async (_name, more) => {
  const port = new FakePort();
  const options = { ...port.options('receive', more), interrupts: port.interrupts };
  const worker = new Worker(SCRIPT, { eval: true, workerData: { addon: ADDON, options, exit: false } });
  await once(worker, 'message');
  await worker.terminate();
  // The loop's thread was joined: nobody looks at the rings any more, so they can go.
  port.close();
  expect(port.region.buffer.byteLength).toBe(0);
});

test('a worker thread that exits with a loop running ends the loop', async () => {
  const port = new FakePort();
  const options = port.options('send', { payload: 'none' });
  const worker = new Worker(SCRIPT, { eval: true, workerData: { addon: ADDON, options, exit: true } });
  const [code] = await once(worker, 'exit');
  expect(code).toBe(0);
  port.close();
});

test('a worker thread that is terminated ends both loops of a duo', async () => {
  const [ping, echo] = [new FakePort(), new FakePort()];
  const workerData = {
    addon: ADDON,
    options: ping.options('ping'),
    echo: echo.options('echo'),
    exit: false,
  };
  const worker = new Worker(SCRIPT, { eval: true, workerData });
  await once(worker, 'message');
  await worker.terminate();
  for (const port of [ping, echo]) port.close();
  expect(echo.region.buffer.byteLength).toBe(0);
});
