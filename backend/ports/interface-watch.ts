// What becomes of interfaces of the host while they are in use: a line in the log for each change, deleted ones opened again, no loop by a bridge or a veth pair that two members of a switch belong to, and a word about packets that are too long for an overlay.
import type { Engine } from '../../native/engine.ts';
import { type InterfaceInfo, overlayLinks } from '../../native/interfaces.ts';
import { type Watch, watchReadable } from '../../native/os.ts';
import { Complaints } from '../complaints.ts';
import type { Logger } from '../log.ts';
import { overlayProblem } from './overlay-mtu.ts';
import type { PlacedInterface } from './table.ts';

const REOPEN_MS = 1000;
/** So many changes of one kind are said one by one, however soon they come. */
const SAID_FREELY = 10;

/** One interface, and what waits for its news. */
interface Watched extends PlacedInterface {
  watch: Watch | undefined;
  /** Without a carrier, because it would close a loop. */
  held: boolean;
  /** Its way into the log: whoever owns the interface can make news as often as he likes. */
  readonly said: Complaints;
  /** What has been said about its mtu. */
  narrow: string | undefined;
}

export class InterfaceWatch {
  readonly #engine: Engine;
  readonly #log: Logger;
  readonly #interfaces: Watched[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #changed: () => void;

  /** @param changed hears that one has gone, or is there again. */
  constructor(interfaces: readonly PlacedInterface[], engine: Engine, log: Logger, changed = () => {}) {
    this.#engine = engine;
    this.#log = log;
    this.#changed = changed;
    for (const link of interfaces) this.#add(link);
    this.#lookAround();
    this.#timer = setInterval(() => {
      this.#reopen();
      for (const { said } of this.#interfaces) said.sumUp();
    }, REOPEN_MS);
    this.#timer.unref();
  }

  /** Follows these interfaces from now on, and those no longer that are not among them. */
  follow(interfaces: readonly PlacedInterface[]): void {
    const gone = this.#interfaces.filter(
      (link) => !interfaces.some((other) => other.interface === link.interface),
    );
    const come = interfaces.filter(
      (link) => !this.#interfaces.some((other) => other.interface === link.interface),
    );
    if (gone.length + come.length === 0) return;
    for (const link of gone) {
      this.#interfaces.splice(this.#interfaces.indexOf(link), 1);
      link.watch?.close();
      link.said.sumUp({ all: true });
    }
    for (const link of come) this.#add(link);
    this.#lookAround();
  }

  #add(placed: PlacedInterface): void {
    const said = new Complaints(this.#log, placed.name);
    const link = { ...placed, watch: undefined, held: false, said, narrow: undefined };
    this.#interfaces.push(link);
    const { info } = link.interface;
    if (info.gone) {
      // Its name and ours come first.
      const why = info.missing.slice(`${link.name}: `.length);
      say(link, `its interface could not be opened anew, and is as soon as it can be: ${why}`, 'warn');
      return;
    }
    say(link, `the interface ${whatItIs(info)}`);
    for (const warning of [whatIsMissing(info), whatIsTooMuch(info)]) if (warning) say(link, warning, 'warn');
    this.#follow(link);
  }

  #follow(link: Watched): void {
    link.watch?.close();
    link.watch = watchReadable(link.interface.info.newsFd, () => this.#onNews(link));
  }

  /** Some may have been given back, and nobody has said so yet. */
  get #open(): readonly Watched[] {
    return this.#interfaces.filter((link) => !link.interface.closed);
  }

  #onNews(link: Watched): void {
    if (link.interface.closed) return;
    for (const line of link.interface.takeNews()) say(link, line.slice(`${link.name}: `.length));
    if (link.interface.info.gone) {
      link.watch?.close();
      link.watch = undefined;
      this.#changed();
    }
    this.#lookAround();
  }

  #reopen(): void {
    for (const link of this.#open) {
      if (!link.interface.info.gone) continue;
      try {
        link.interface.reopen(this.#engine);
      } catch {
        // Its name is taken, or its namespace gone: until that changes.
        continue;
      }
      say(link, `the interface '${link.interface.info.interface}' is there again`);
      link.held = false;
      this.#follow(link);
      this.#lookAround();
      this.#changed();
    }
  }

  #lookAround(): void {
    this.#lookForLoops();
    for (const link of this.#open) if (!link.interface.info.gone) this.#lookForOverlay(link);
  }

  /** The kernel drops what is too long for a tunnel without a word. */
  #lookForOverlay(link: Watched): void {
    let problem: string | undefined;
    try {
      problem = overlayProblem(overlayLinks(link.netns), link.interface.info.index);
    } catch {
      // The namespace is gone, with all that is in it.
    }
    if (problem !== undefined && problem !== link.narrow) say(link, `the interface ${problem}`, 'warn');
    link.narrow = problem;
  }

  /** A frame to all would go round for ever where two members of a switch meet once more. */
  #lookForLoops(): void {
    const meetings = new Map<string, Watched>();
    for (const link of this.#open) {
      if (link.switch === undefined || link.interface.info.gone) continue;
      const places = placesOf(link.interface.info).map((place) => `${link.switch} ${link.netns} ${place}`);
      const place = places.find((candidate) => meetings.has(candidate));
      const first = place === undefined ? undefined : meetings.get(place);
      if (!first) for (const free of places) meetings.set(free, link);
      if ((first !== undefined) === link.held) continue;
      link.held = first !== undefined;
      link.interface.setCarrier(!link.held);
      if (first) say(link, loopWith(first, link), 'warn');
      else say(link, 'the loop is open: it has a carrier again');
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { watch, said } of this.#interfaces) {
      watch?.close();
      said.sumUp({ all: true });
    }
  }
}

function whatItIs({ interface: name, mtu, made, access }: InterfaceInfo): string {
  const origin = made ? 'made, and goes with the host' : 'was there, and stays';
  return `'${name}', mtu ${mtu}, ${access === 'tap' ? origin : `by ${access}`}`;
}

/** What keeps packets away; a tap's carrier is ours. */
function whatIsMissing({ interface: name, access, up, carrier }: InterfaceInfo): string | undefined {
  if (access === 'tap' || (up && carrier)) return undefined;
  return up
    ? `'${name}' has no carrier: nothing passes before something is connected to it`
    : `'${name}' is down: 'ip link set ${name} up' would be right`;
}

/** The kernel's own merging is told with each packet, and an interface's is not. */
function whatIsTooMuch({ interface: name, lro }: InterfaceInfo): string | undefined {
  if (!lro) return undefined;
  return `'${name}' merges packets by itself (LRO), and what it has merged is dropped: 'ethtool -K ${name} lro off' would be right`;
}

/** Where its frames go besides: two members that have one of these in common make a loop. */
function placesOf({ index, master, peer }: InterfaceInfo): string[] {
  const bridges = [...(master === 0 ? [] : [`bridge ${master}`]), `bridge ${index}`];
  // What a VLAN has below it does not name the VLAN.
  return peer === 0 ? bridges : [...bridges, `veth ${Math.min(index, peer)} ${Math.max(index, peer)}`];
}

function loopWith(first: Watched, link: Watched): string {
  const veth = first.interface.info.peer === link.interface.info.index;
  const meeting = veth
    ? `it is the other end of the veth pair of ${first.name}`
    : `it belongs to the same bridge as ${first.name} does`;
  const end = veth ? 'it is a member' : 'one of the two has left the bridge';
  return `${meeting}, and both are on switch '${link.switch}', which makes a loop: it has no carrier ${veth ? 'while' : 'until'} ${end}`;
}

/** News that differ in a name or a number only are of one kind. */
function say({ said }: Watched, text: string, level: 'info' | 'warn' = 'info'): void {
  said.add(text.replace(/'[^']*'|\d+/g, '…'), text, { level, freely: SAID_FREELY });
}
