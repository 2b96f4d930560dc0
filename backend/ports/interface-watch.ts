// What becomes of interfaces of the host while they are in use: a line in the log for each change, deleted ones opened again, no loop by a bridge that two members of a switch belong to, and a word about packets that are too long for an overlay.
import type { Engine } from '../../native/engine.ts';
import { overlayLinks } from '../../native/interfaces.ts';
import { type Watch, watchReadable } from '../../native/os.ts';
import type { Logger } from '../log.ts';
import { overlayProblem } from './overlay-mtu.ts';
import type { PlacedInterface } from './table.ts';

const REOPEN_MS = 1000;

/** One interface, and what waits for its news. */
interface Watched extends PlacedInterface {
  watch: Watch | undefined;
  /** Without a carrier, because it would close a loop. */
  held: boolean;
  /** What has been said about its mtu. */
  narrow: string | undefined;
}

export class InterfaceWatch {
  readonly #engine: Engine;
  readonly #log: Logger;
  readonly #interfaces: Watched[];
  readonly #timer: NodeJS.Timeout;

  constructor(interfaces: readonly PlacedInterface[], engine: Engine, log: Logger) {
    this.#engine = engine;
    this.#log = log;
    this.#interfaces = interfaces.map((link) => ({
      ...link,
      watch: undefined,
      held: false,
      narrow: undefined,
    }));
    for (const link of this.#interfaces) {
      const { interface: name, mtu, made } = link.interface.info;
      const origin = made ? 'made, and goes with the host' : 'was there, and stays';
      this.#say(link, `${link.name}: the interface '${name}', mtu ${mtu}, ${origin}`);
      this.#follow(link);
    }
    this.#lookAround();
    this.#timer = setInterval(() => this.#reopen(), REOPEN_MS);
    this.#timer.unref();
  }

  #follow(link: Watched): void {
    link.watch?.close();
    link.watch = watchReadable(link.interface.info.newsFd, () => this.#onNews(link));
  }

  #onNews(link: Watched): void {
    for (const line of link.interface.takeNews()) this.#say(link, line);
    if (link.interface.info.gone) {
      link.watch?.close();
      link.watch = undefined;
    }
    this.#lookAround();
  }

  #reopen(): void {
    for (const link of this.#interfaces) {
      if (!link.interface.info.gone) continue;
      try {
        link.interface.reopen(this.#engine);
      } catch {
        // Its name is taken, or its namespace gone: until that changes.
        continue;
      }
      this.#say(link, `${link.name}: the interface '${link.interface.info.interface}' is there again`);
      link.held = false;
      this.#follow(link);
      this.#lookAround();
    }
  }

  #lookAround(): void {
    this.#lookForLoops();
    for (const link of this.#interfaces) if (!link.interface.info.gone) this.#lookForOverlay(link);
  }

  /** The kernel drops what is too long for a tunnel without a word. */
  #lookForOverlay(link: Watched): void {
    let problem: string | undefined;
    try {
      problem = overlayProblem(overlayLinks(link.netns), link.interface.info.index);
    } catch {
      // The namespace is gone, with all that is in it.
    }
    if (problem !== undefined && problem !== link.narrow)
      this.#log.warn({ interface: link.name }, `${link.name}: the interface ${problem}`);
    link.narrow = problem;
  }

  /** A frame to all would go round for ever between a switch and a bridge that have two members in common. */
  #lookForLoops(): void {
    const bridges = new Map<string, Watched>();
    for (const link of this.#interfaces) {
      const { master, gone } = link.interface.info;
      if (link.switch === undefined || gone) continue;
      const bridge = `${link.switch} ${link.netns} ${master}`;
      const first = master === 0 ? undefined : bridges.get(bridge);
      if (!first) bridges.set(bridge, link);
      if ((first !== undefined) === link.held) continue;
      link.held = first !== undefined;
      link.interface.setCarrier(!link.held);
      if (first)
        this.#log.warn(
          { interface: link.name },
          `${link.name}: it belongs to the same bridge as ${first.name} does, and both are on switch '${link.switch}', which makes a loop: it has no carrier until one of the two has left the bridge`,
        );
      else this.#say(link, `${link.name}: the loop is open: it has a carrier again`);
    }
  }

  #say(link: Watched, line: string): void {
    this.#log.info({ interface: link.name }, line);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { watch } of this.#interfaces) watch?.close();
  }
}
