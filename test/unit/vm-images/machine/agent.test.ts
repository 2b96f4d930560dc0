/** The agent protocol, spoken with a console that the test plays. */
import { PassThrough } from 'node:stream';
import { beforeEach, expect, test } from 'vitest';
import { Agent } from '../../../../vm-images/machine/agent.ts';
import { Console } from '../../../../vm-images/machine/console.ts';
import { AgentError } from '../../../../vm-images/machine/errors.ts';

let guest: PassThrough;
let input: PassThrough;
let agent: Agent;

beforeEach(() => {
  guest = new PassThrough();
  input = new PassThrough();
  agent = new Agent('vm1', new Console(guest, input, { name: 'vm1' }));
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The commands that the guest received since the last look. */
async function received(): Promise<string> {
  await turn();
  return String(input.read() ?? '');
}

test('the answer is the JSON of the PTNET line, whatever is printed around it', async () => {
  const job = agent.start('send --count 5');
  expect(await received()).toBe('send --count 5\n');
  guest.write(
    '[    3.1] a message of the kernel\nPTNET-like\nPTNET {"op":"send","ok":true,"sent":{"packets":5}}\r\n',
  );
  expect(await job.done).toEqual({ op: 'send', ok: true, sent: { packets: 5 } });
});

test('ok: false rejects with the whole answer', async () => {
  const job = agent.start('send');
  await turn();
  guest.write('PTNET {"op":"send","ok":false,"error":"no device","errno":19}\n');
  const error = await job.done.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(AgentError);
  expect((error as AgentError).message).toBe("vm1: agent command 'send' failed: no device");
  expect((error as AgentError).json.errno).toBe(19);
});

test('commands run one after another, also after one that failed', async () => {
  const first = agent.start('first');
  const second = agent.start('second');
  expect(await received()).toBe('first\n');
  guest.write('PTNET {"op":"first","ok":false}\n');
  await expect(first.done).rejects.toThrow('no reason given');
  expect(await received()).toBe('second\n');
  guest.write('PTNET {"op":"second","ok":true}\n');
  expect((await second.done).op).toBe('second');
});

test('progress lines are handed on', async () => {
  const lines: string[] = [];
  const job = agent.start('send', { onProgress: (line) => lines.push(line) });
  await turn();
  guest.write('PTNET-PROGRESS 1\nother\nPTNET-PROGRESS 2\nPTNET {"op":"send","ok":true}\n');
  await job.done;
  expect(lines).toEqual(['PTNET-PROGRESS 1', 'PTNET-PROGRESS 2']);
});

test('an answer that is not JSON is shown', async () => {
  const job = agent.start('info');
  await turn();
  guest.write('PTNET {"op":}\n');
  await expect(job.done).rejects.toThrow('vm1: agent command \'info\' answered no JSON: {"op":}');
});

test('no answer in time shows the console', async () => {
  const job = agent.start('info', { timeoutMs: 5 });
  guest.write('stuck here\n');
  await expect(job.done).rejects.toThrow(/'info' gave no result in 0\.005 s.*\n.*stuck here/);
});

test('a guest that restarts ends the command, and takes the next one', async () => {
  const job = agent.start('send');
  await turn();
  guest.write('PTNET-READY\n');
  await expect(job.done).rejects.toThrow('the guest has restarted');
  const next = agent.start('info');
  await turn();
  guest.write('PTNET {"op":"info","ok":true}\n');
  expect((await next.done).ok).toBe(true);
});

test('a kernel panic ends the command and all that follow', async () => {
  const job = agent.start('send');
  await turn();
  guest.write('[    4.2] Kernel panic - not syncing: Attempted to kill init!\n');
  await expect(job.done).rejects.toThrow("the guest's kernel panicked: [    4.2] Kernel panic");
  await expect(agent.start('info').done).rejects.toThrow('panicked');
});
