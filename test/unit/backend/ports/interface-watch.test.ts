// What is said of the host's interfaces: each kind of news the first ten times, then the 100th; flapping cannot fill the log.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InterfaceWatch } from '../../../../backend/ports/interface-watch.ts';
import type { PlacedInterface } from '../../../../backend/ports/table.ts';
import type { Engine } from '../../../../native/engine.ts';
import { closeFd, eventfd, eventfdDrain, eventfdSignal } from '../../../../native/os.ts';
import { type LogLine, recordingLog } from '../../../protocol/recording.ts';

/** An interface whose news a test makes. */
class FakeInterface {
  readonly #index: number;
  readonly newsFd = eventfd();
  readonly #news: string[] = [];
  taken = 0;
  master = 0;
  access = 'tap';
  lro = false;
  readonly carrier: boolean[] = [];

  constructor(index: number) {
    this.#index = index;
  }

  get info() {
    const { newsFd, master, access, lro } = this;
    return {
      interface: 'a',
      mtu: 1500,
      made: true,
      gone: false,
      newsFd,
      access,
      lro,
      up: true,
      carrier: true,
      index: this.#index,
      master,
      peer: 0,
    };
  }
  takeNews(): string[] {
    eventfdDrain(this.newsFd);
    this.taken++;
    return this.#news.splice(0);
  }
  setCarrier(on: boolean): void {
    this.carrier.push(on);
  }
  async tell(...news: string[]): Promise<void> {
    const before = this.taken;
    this.#news.push(...news);
    eventfdSignal(this.newsFd);
    while (this.taken === before) await new Promise((resolve) => setImmediate(resolve));
  }
}

let lines: LogLine[];
let fakes: FakeInterface[];
let watch: InterfaceWatch;

beforeEach(() => {
  lines = [];
  fakes = [new FakeInterface(101), new FakeInterface(102)];
  const placed = fakes.map((fake, i) => ({ name: `tap:${i}`, interface: fake, switch: 'lan', netns: '' }));
  watch = new InterfaceWatch(placed as unknown as PlacedInterface[], {} as Engine, recordingLog(lines));
});
afterEach(() => {
  watch.close();
  for (const { newsFd } of fakes) closeFd(newsFd);
});

const texts = (): string[] => lines.map(({ text }) => text);

test('each kind of news is said', async () => {
  await fakes[0]!.tell("tap:0: the interface 'a' is down", "tap:0: the interface 'a' has an mtu of 9000 now");
  expect(texts()).toEqual([
    "tap:0: the interface 'a', mtu 1500, made, and goes with the host",
    "tap:1: the interface 'a', mtu 1500, made, and goes with the host",
    "tap:0: the interface 'a' is down",
    "tap:0: the interface 'a' has an mtu of 9000 now",
  ]);
  expect(lines.every(({ level }) => level === 'info')).toBe(true);
});

test('one that merges what it receives is named, with what would be right', () => {
  const fake = new FakeInterface(103);
  fakes.push(fake);
  fake.access = 'af_packet';
  fake.lro = true;
  lines.splice(0);
  const placed = [{ name: 'netmap:a', interface: fake, netns: '' }];
  new InterfaceWatch(placed as unknown as PlacedInterface[], {} as Engine, recordingLog(lines)).close();
  expect(lines.map(({ level, text }) => [level, text])).toEqual([
    ['info', "netmap:a: the interface 'a', mtu 1500, by af_packet"],
    [
      'warn',
      "netmap:a: 'a' merges packets by itself (LRO), and what it has merged is dropped: 'ethtool -K a lro off' would be right",
    ],
  ]);
});

test('an interface that flaps, under ever new names too, is said ever more rarely, and at the end how often', async () => {
  for (let i = 0; i < 150; i++) {
    await fakes[0]!.tell(
      "tap:0: the interface 'a' is down",
      "tap:0: the interface 'a' is up",
      `tap:0: the interface is called 'name${i}' now`,
    );
  }
  expect(lines.length).toBe(2 + 3 * 11);
  // Another one's news are its own.
  await fakes[1]!.tell("tap:1: the interface 'a' is down");
  expect(texts()).toContain("tap:1: the interface 'a' is down");
  watch.close();
  expect(texts().at(-1)).toBe("tap:0: the interface is called 'name149' now (150 times)");
  expect(lines.length).toBe(2 + 3 * 12 + 1);
});

test('a loop is a warning, and of its kind there are no more either', async () => {
  for (let i = 0; i < 20; i++) {
    for (const fake of fakes) fake.master = 7;
    await fakes[1]!.tell();
    fakes[1]!.master = 0;
    await fakes[1]!.tell();
  }
  expect(fakes[1]!.carrier.length).toBe(40);
  const warned = lines.filter(({ level }) => level === 'warn').map(({ text }) => text);
  expect(warned.length).toBe(10);
  expect(warned[0]).toMatch(/^tap:1: it belongs to the same bridge as tap:0 does/);
});
