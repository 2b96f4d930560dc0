// A host is killed under the Linux driver, and another process goes on, as one does that was asked for: TCP by a tap, a switch and a pipe does too, every byte of it, and the guest's kernel notices nothing.
import { expect } from 'vitest';
import { Kept } from '../../model/kept.ts';
import { testLasting } from './lasting-tcp.ts';

testLasting('TCP goes on when the host is killed, upgraded, and killed again', async (yaml) => {
  const host = new Kept(yaml);
  // Each has the next one ready, as users' hosts do.
  await host.startOften(1);
  const another = async (i: number) => {
    if (i % 2 === 0) await host.kill();
    else {
      const { code, text } = await host.upgrade();
      expect(code, text).toBe(0);
    }
  };
  // TCP waits longer from death to death: it is given time to find out that it need not.
  return { host, another, restMs: 2500 };
});
