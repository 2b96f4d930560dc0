/** A tap in a network namespace of its own: it meets no interface of the machine, and the kernel removes it with the last process in there. */
import { once } from 'node:events';
import { execa, type ResultPromise } from 'execa';

/** Nobody else gives names in that namespace. */
const NAME = 'tap0';

/**
 * With IPv6 the kernel would send packets of its own as soon as the tap is up.
 * What keeps the namespace ends with its input: also when this process ends in a way that runs no handler.
 */
const KEEPER = `set -e
ipv6=/proc/sys/net/ipv6/conf/default/disable_ipv6
[ ! -e $ipv6 ] || echo 1 > $ipv6
ip tuntap add dev ${NAME} mode tap
ip link set dev ${NAME} up
echo up
exec cat > /dev/null
`;

const OPTIONS = { stdin: 'pipe', reject: false, cleanup: true } as const;

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
  readonly #keeper: ResultPromise<typeof OPTIONS>;

  private constructor(keeper: ResultPromise<typeof OPTIONS>) {
    this.#keeper = keeper;
    this.within = ['nsenter', `--net=/proc/${keeper.pid}/ns/net`, '--'];
  }

  /** Needs root. @throws Error with what the system said when it refuses. */
  static async open(): Promise<Tap> {
    const keeper = execa('unshare', ['--net', '--', 'sh', '-c', KEEPER], OPTIONS);
    const ended = await Promise.race([keeper, once(keeper.stdout, 'data').then(() => undefined)]);
    if (ended === undefined) return new Tap(keeper);
    const said = ended.stderr.trim() || ended.shortMessage;
    throw new Error(`no tap in a network namespace (it takes root and /dev/net/tun): ${said}`);
  }

  /** The tap goes when those who run within its namespace have ended too. */
  async close(): Promise<void> {
    this.#keeper.stdin.end();
    await this.#keeper;
  }
}
