// A host is taken over by another process under the Linux driver: TCP by a tap, a switch and a pipe goes on, every byte of it, and the guest's kernel notices nothing.
import { type Running, Upgraded } from '../../model/upgraded.ts';
import { testLasting } from './lasting-tcp.ts';

testLasting('TCP goes on under the hosts that follow each other', async (yaml) => {
  const host = new Upgraded(yaml);
  let now: Running = await host.start();
  const another = async () => {
    now = await host.takeOver(now);
  };
  return { host, another };
});
