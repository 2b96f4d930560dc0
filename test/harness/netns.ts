/** A network namespace of a test's own: it meets no interface of the machine, and the kernel removes it, and all that is in it, with the last process in there. */
import { once } from 'node:events';
import { execa, type ResultPromise } from 'execa';

/**
 * With IPv6 the kernel would send packets of its own as soon as an interface is up.
 * What keeps the namespace ends with its input: also when this process ends in a way that runs no handler.
 */
const keeper = (setUp: string): string => `set -e
ipv6=/proc/sys/net/ipv6/conf/default/disable_ipv6
[ ! -e $ipv6 ] || echo 1 > $ipv6
${setUp}
echo up
exec cat > /dev/null
`;

const OPTIONS = { stdin: 'pipe', reject: false, cleanup: true } as const;

export class Netns {
  /** What a configuration names it by. */
  readonly path: string;
  /** The command that becomes the one put behind it, in the namespace. */
  readonly within: readonly string[];
  readonly #keeper: ResultPromise<typeof OPTIONS>;

  private constructor(process: ResultPromise<typeof OPTIONS>) {
    this.#keeper = process;
    this.path = `/proc/${process.pid}/ns/net`;
    this.within = ['nsenter', `--net=${this.path}`, '--'];
  }

  /**
   * Needs root. @param setUp commands of a shell, run in there first; `what` they make, for the message.
   * @throws Error with what the system said.
   */
  static async open(setUp = '', what = 'network namespace (it takes root)'): Promise<Netns> {
    const process = execa('unshare', ['--net', '--', 'sh', '-c', keeper(setUp)], OPTIONS);
    const ended = await Promise.race([process, once(process.stdout, 'data').then(() => undefined)]);
    if (ended === undefined) return new Netns(process);
    const said = ended.stderr.trim() || ended.shortMessage;
    throw new Error(`no ${what}: ${said}`);
  }

  /** Runs a command in there; what it printed. @throws when it fails. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const [program, ...before] = this.within;
    const { stdout } = await execa(program!, [...before, command, ...args]);
    return stdout;
  }

  /** `ip` with the words of `command`. */
  async ip(command: string): Promise<string> {
    return this.run('ip', ...command.split(' '));
  }

  /** Packets of an interface that the kernel itself has dropped on their way to whoever has its descriptor. */
  async dropped(device: string): Promise<number> {
    const [link] = JSON.parse(await this.ip(`-s -j link show dev ${device}`));
    return link.stats64.tx.dropped;
  }

  /** It goes when those who run within it have ended too. */
  async close(): Promise<void> {
    this.#keeper.stdin.end();
    await this.#keeper;
  }
}
