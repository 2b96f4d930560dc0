// A guest process's job: loops of one VM, a duo of two, or a program of the host's loop, and nothing in between.
import { expect, test } from 'vitest';
import { parseJob } from '../../../../guest-driver/model/index.ts';

const guest = { memdev: '/m', ptnet: ['/p'] };
const loops = [{ op: 'send' }];
const ping = { ...guest, loop: { op: 'ping' } };
const echo = { ...guest, loop: { op: 'echo' } };

test.each([
  { ...guest, loops },
  { ping, echo },
  { ping, echo, hold: true },
  { netmap: 'vale0:app', loop: { op: 'ping', warmUp: 0.1 }, announce: true },
])('%o is a job', (job) => {
  expect(parseJob(JSON.stringify(job))).toEqual(job);
});

test.each([
  [{ ...guest }, 'job: has nothing to do: want loops, or ping and echo'],
  [{ ...guest, loops, ping, echo }, 'job: has both loops and a duo: want one of them'],
  [{ ...guest, loops, echo }, 'job: has both loops and a duo: want one of them'],
  [{ ping }, 'job: ping without echo: a duo takes both'],
  [{ ...guest, loops: [{ op: 'send', warmUp: 1 }] }, "job: warmUp of 'send': only a ping has one"],
  [{ ping, echo: { ...guest, loop: { op: 'echo', warmUp: 1 } } }, "job: warmUp of 'echo': only a ping"],
  [{ ...guest, loops: [{ op: 'ping', warmUp: 0 }] }, 'job: warmUp 0: want a number of seconds above 0'],
  [{ netmap: 'vale0:app' }, 'job: netmap without a loop: a program of the host has one'],
  [{ netmap: 'vale0:app', loop: { op: 'send', warmUp: 1 } }, "job: warmUp of 'send': only a ping has one"],
  [{ echo }, 'job: echo without ping: a duo takes both'],
])('%o is none', (job, why) => {
  expect(() => parseJob(JSON.stringify(job))).toThrow(why);
});
