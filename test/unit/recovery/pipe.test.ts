// A pipe's pump that is killed between any two of its stores, and goes on from its record: an exhaustive model of what forward/pipe.cc would do with one.
import { expect, test } from 'vitest';

const SLOTS = 4;
const PACKETS = 6;
const DEATHS = 3;

/** Which order the stores are in; the rule is what the design says, the others are what a mistake would be. */
type Rule = 'record first' | 'record last' | 'record between' | 'record before slots' | 'no record';

interface Pipe {
  /** Packet numbers, by buffer: as many as slots, and one that the receiver has to spare. */
  bufs: number[];
  tx: number[];
  rx: { buf: number; changed: boolean }[];
  // The guests': what they have published, what they hold.
  txHead: number;
  rxHead: number;
  spare: number;
  sent: number;
  got: number;
  // What the guests are shown.
  txTail: number;
  rxTail: number;
  /** Given back and passed, as the record says and as the host has it. */
  record: { r: number; p: number };
  heap: { r: number; p: number };
  /** The next store of the batch, and where it ends: `r` and `p` of the heap are what it began with. */
  step: string;
  at: number;
  newR: number;
  newP: number;
  deaths: number;
}

const next = (i: number): number => (i + 1) % SLOTS;
const prev = (i: number): number => (i + SLOTS - 1) % SLOTS;

function start(): Pipe {
  const slots = Array.from({ length: SLOTS }, (_, i) => i);
  return {
    bufs: new Array<number>(SLOTS + 1).fill(-1),
    tx: [...slots],
    rx: slots.map((buf) => ({ buf, changed: false })),
    txHead: 0,
    rxHead: 0,
    spare: SLOTS,
    sent: 0,
    got: 0,
    txTail: SLOTS - 1,
    rxTail: 0,
    record: { r: 0, p: 0 },
    heap: { r: 0, p: 0 },
    step: 'look',
    at: 0,
    newR: 0,
    newP: 0,
    deaths: 0,
  };
}

const copy = (pipe: Pipe): Pipe => structuredClone(pipe);

function* sender(pipe: Pipe): Generator<Pipe> {
  if (pipe.sent === PACKETS || pipe.txHead === pipe.txTail) return;
  const then = copy(pipe);
  then.bufs[then.tx[then.txHead]!] = then.sent++;
  then.txHead = next(then.txHead);
  yield then;
}

/** Looks at a packet when it gives it back, so that whatever happened to it until then is seen. */
function* receiver(pipe: Pipe): Generator<Pipe> {
  if (pipe.rxHead === pipe.rxTail) return;
  for (const replaces of [false, true]) {
    const then = copy(pipe);
    const slot = then.rx[then.rxHead]!;
    if (then.bufs[slot.buf] !== then.got) throw new Error(`${then.bufs[slot.buf]}, expected ${then.got}`);
    then.got++;
    if (replaces) [slot.buf, then.spare, slot.changed] = [then.spare, slot.buf, true];
    then.rxHead = next(then.rxHead);
    yield then;
  }
}

/** The steps of a batch, in order; `at` runs over the slots of those that have some. */
const STEPS: Record<Rule, readonly string[]> = {
  'record first': ['replace', 'pass', 'record', 'show rx', 'show tx'],
  'record last': ['replace', 'pass', 'show rx', 'show tx', 'record'],
  'record between': ['replace', 'pass', 'show rx', 'record', 'show tx'],
  'record before slots': ['record', 'replace', 'pass', 'show rx', 'show tx'],
  'no record': ['replace', 'pass', 'show rx', 'show tx'],
};

function* host(pipe: Pipe, rule: Rule): Generator<Pipe> {
  const then = copy(pipe);
  const steps = STEPS[rule];
  const goOn = (): void => {
    then.step = steps[steps.indexOf(then.step) + 1] ?? 'look';
    then.at = then.step === 'replace' ? then.heap.r : then.heap.p;
    if (then.step === 'look') then.heap = { r: then.newR, p: then.newP };
  };
  switch (then.step) {
    case 'look':
      [then.newR, then.newP] = [then.rxHead, then.txHead];
      if (then.newR === then.heap.r && then.newP === then.heap.p) return;
      then.step = steps[0]!;
      then.at = then.step === 'replace' ? then.heap.r : then.heap.p;
      break;
    case 'replace': {
      if (then.at === then.newR) goOn();
      else {
        const slot = then.rx[then.at]!;
        // Two stores, and a death may be between them.
        if (!slot.changed) then.at = next(then.at);
        else if (then.tx[then.at] !== slot.buf) then.tx[then.at] = slot.buf;
        else slot.changed = false;
      }
      break;
    }
    case 'pass':
      if (then.at === then.newP) goOn();
      else {
        then.rx[then.at] = { buf: then.tx[then.at]!, changed: false };
        then.at = next(then.at);
      }
      break;
    case 'record':
      then.record = { r: then.newR, p: then.newP };
      goOn();
      break;
    case 'show rx':
      then.rxTail = then.newP;
      goOn();
      break;
    case 'show tx':
      then.txTail = prev(then.newR);
      goOn();
      break;
  }
  yield then;
}

/** Killed, and the successor has shown what the record says before anybody looks: nothing else of the old one counts. */
function* death(pipe: Pipe): Generator<Pipe> {
  if (pipe.deaths === DEATHS) return;
  const then = copy(pipe);
  then.deaths++;
  then.heap = { ...then.record };
  then.step = 'look';
  [then.at, then.newR, then.newP] = [0, 0, 0];
  then.rxTail = then.record.p;
  then.txTail = prev(then.record.r);
  yield then;
}

/** No buffer is with both guests. */
function check(pipe: Pipe): void {
  const mine: number[] = [pipe.spare];
  for (let i = pipe.rxHead; i !== pipe.rxTail; i = next(i)) mine.push(pipe.rx[i]!.buf);
  for (let i = pipe.txHead; i !== pipe.txTail; i = next(i)) mine.push(pipe.tx[i]!);
  if (new Set(mine).size !== mine.length) throw new Error(`a buffer is with both: ${mine}`);
}

/** @param checks whether buffers are looked at too, beside what arrives. */
function explore(rule: Rule, checks = true): number {
  const first = start();
  const seen = new Set([JSON.stringify(first)]);
  const left = [first];
  for (let pipe = left.pop(); pipe !== undefined; pipe = left.pop()) {
    if (checks) check(pipe);
    let quiet = true;
    for (const step of [sender(pipe), receiver(pipe), host(pipe, rule), death(pipe)])
      for (const then of step) {
        if (then.deaths === pipe.deaths) quiet = false;
        const key = JSON.stringify(then);
        if (seen.has(key)) continue;
        seen.add(key);
        left.push(then);
      }
    if (quiet && (pipe.sent !== PACKETS || pipe.got !== PACKETS))
      throw new Error(`stands still after ${pipe.got} of ${pipe.sent} packets`);
  }
  return seen.size;
}

test('a pipe that records what it has done before it shows it loses, doubles and alters nothing', () => {
  expect(explore('record first')).toBeGreaterThan(10_000);
});

test.each(['record last', 'record between', 'record before slots', 'no record'] as const)(
  '%s: the model finds what is wrong with it',
  (rule) => {
    expect(() => explore(rule)).toThrow(/with both/);
    expect(() => explore(rule, false)).toThrow(/expected|stands still/);
  },
);
