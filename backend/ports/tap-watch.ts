// What becomes of taps while they are in use: a line in the log for each change, deleted ones opened again, and no loop by a bridge that two members of a switch belong to.
import type { Engine } from '../../native/engine.ts';
import { type Watch, watchReadable } from '../../native/os.ts';
import type { Logger } from '../log.ts';
import type { PlacedTap } from './table.ts';

const REOPEN_MS = 1000;

/** One tap, and what waits for its news. */
interface Watched extends PlacedTap {
  watch: Watch | undefined;
  /** Without a carrier, because it would close a loop. */
  held: boolean;
}

export class TapWatch {
  readonly #engine: Engine;
  readonly #log: Logger;
  readonly #taps: Watched[];
  readonly #timer: NodeJS.Timeout;

  constructor(taps: readonly PlacedTap[], engine: Engine, log: Logger) {
    this.#engine = engine;
    this.#log = log;
    this.#taps = taps.map((tap) => ({ ...tap, watch: undefined, held: false }));
    for (const tap of this.#taps) {
      const { interface: name, mtu, made } = tap.tap.info;
      const origin = made ? 'made, and goes with the host' : 'was there, and stays';
      this.#say(tap, `${tap.name}: the interface '${name}', mtu ${mtu}, ${origin}`);
      this.#follow(tap);
    }
    this.#lookForLoops();
    this.#timer = setInterval(() => this.#reopen(), REOPEN_MS);
    this.#timer.unref();
  }

  #follow(tap: Watched): void {
    tap.watch?.close();
    tap.watch = watchReadable(tap.tap.info.newsFd, () => this.#onNews(tap));
  }

  #onNews(tap: Watched): void {
    for (const line of tap.tap.takeNews()) this.#say(tap, line);
    if (tap.tap.info.gone) {
      tap.watch?.close();
      tap.watch = undefined;
    }
    this.#lookForLoops();
  }

  #reopen(): void {
    for (const tap of this.#taps) {
      if (!tap.tap.info.gone) continue;
      try {
        tap.tap.reopen(this.#engine);
      } catch {
        // Its name is taken, or its namespace gone: until that changes.
        continue;
      }
      this.#say(tap, `${tap.name}: the interface '${tap.tap.info.interface}' is there again`);
      tap.held = false;
      this.#follow(tap);
      this.#lookForLoops();
    }
  }

  /** A frame to all would go round for ever between a switch and a bridge that have two members in common. */
  #lookForLoops(): void {
    const bridges = new Map<string, Watched>();
    for (const tap of this.#taps) {
      const { master, gone } = tap.tap.info;
      if (tap.switch === undefined || gone) continue;
      const bridge = `${tap.switch} ${tap.netns} ${master}`;
      const first = master === 0 ? undefined : bridges.get(bridge);
      if (!first) bridges.set(bridge, tap);
      if ((first !== undefined) === tap.held) continue;
      tap.held = first !== undefined;
      tap.tap.setCarrier(!tap.held);
      if (first)
        this.#log.warn(
          { tap: tap.name },
          `${tap.name}: it belongs to the same bridge as ${first.name} does, and both are on switch '${tap.switch}', which makes a loop: it has no carrier until one of the two has left the bridge`,
        );
      else this.#say(tap, `${tap.name}: the loop is open: it has a carrier again`);
    }
  }

  #say(tap: Watched, line: string): void {
    this.#log.info({ tap: tap.name }, line);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { watch } of this.#taps) watch?.close();
  }
}
