/** A tap in a network namespace of its own. */
import { execa } from 'execa';
import { Netns } from './netns.ts';

/** Nobody else gives names in that namespace. */
const NAME = 'tap0';

/** @return what is not installed here, and where it is to be had. */
export async function tapToolsMissing(): Promise<string | undefined> {
  for (const [program, from] of [
    ['unshare', 'util-linux'],
    ['ip', 'iproute2'],
  ] as const) {
    const { code } = await execa(program, ['-V'], { reject: false, stdin: 'ignore' });
    if (code === 'ENOENT') return `${program} is not installed: on Debian it is in the package ${from}`;
  }
  return undefined;
}

export class Tap {
  readonly name = NAME;
  /** The command that becomes the one put behind it, in the tap's namespace. */
  readonly within: readonly string[];
  readonly #netns: Netns;

  private constructor(netns: Netns) {
    this.#netns = netns;
    this.within = netns.within;
  }

  /** Needs root and /dev/net/tun. @throws Error with what the system said when it refuses. */
  static async open(): Promise<Tap> {
    const setUp = `ip tuntap add dev ${NAME} mode tap
ip link set dev ${NAME} up`;
    const what = 'tap in a network namespace (it takes root and /dev/net/tun)';
    return new Tap(await Netns.open(setUp, what));
  }

  /** The tap goes when those who run within its namespace have ended too. */
  async close(): Promise<void> {
    await this.#netns.close();
  }
}
