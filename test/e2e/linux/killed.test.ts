// A host is killed under the Linux driver, and another process goes on: TCP by a tap, a switch and a pipe does too, every byte of it, and the guest's kernel notices nothing.
import { afterAll, afterEach, describe } from 'vitest';
import { Kept } from '../../model/kept.ts';
import { vmTest } from '../vm-test.ts';
import { Guests } from './guests.ts';
import { expectLasting, lastingConfig } from './lasting-tcp.ts';
import { FEWER_RELEASES } from './releases.ts';

for (const release of FEWER_RELEASES)
  describe(`Linux of ${release}`, () => {
    const guests = new Guests();
    afterEach((context) => {
      if (context.task.result?.state === 'fail') guests.keepLogs();
    });
    afterAll(async () => await guests.close());

    vmTest('TCP goes on when the host is killed, and killed again', async () => {
      const net = await guests.netns();
      const host = new Kept(lastingConfig(net));
      await host.startOften();
      await expectLasting(guests, release, { host, net }, async () => {
        await host.kill();
        // TCP waits longer from death to death: it is given time to find out that it need not.
        await new Promise((resolve) => setTimeout(resolve, 2500));
      });
    });
  });
