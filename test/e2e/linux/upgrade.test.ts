// A host is taken over by another process under the Linux driver: TCP by a tap, a switch and a pipe goes on, every byte of it, and the guest's kernel notices nothing.
import { afterAll, afterEach, describe } from 'vitest';
import { type Running, Upgraded } from '../../model/upgraded.ts';
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

    vmTest('TCP goes on under the hosts that follow each other', async () => {
      const net = await guests.netns();
      const host = new Upgraded(lastingConfig(net));
      let now: Running = await host.start();
      await expectLasting(guests, release, { host, net }, async () => {
        now = await host.takeOver(now);
      });
    });
  });
