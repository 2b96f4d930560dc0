// One testpmd on this machine: a process on a processor of its own, whose command line is a pipe.
import { execa, type ResultPromise } from 'execa';
import { Console } from '../../../vm-images/machine/console.ts';
import { TESTPMD, Testpmd } from './testpmd-prompt.ts';

const QUIT_MS_MAX = 5000;

export interface ProcessOptions {
  readonly cpu: number;
  /** Its ports, in this order. */
  readonly vdevs: readonly string[];
  readonly forwardMode: string;
  /** A command that it is run with and that becomes it, such as one that enters a namespace. */
  readonly within?: readonly string[];
}

function spawn({ cpu, vdevs, forwardMode, within = [] }: ProcessOptions) {
  const cores = `0@${cpu},1@${cpu}`;
  // The main thread sleeps at its prompt; the other one forwards, on the same processor.
  const eal = ['--no-pci', '--in-memory', '--single-file-segments', '-m', '128', '--lcores', cores];
  const devices = vdevs.flatMap((vdev) => ['--vdev', vdev]);
  const app = ['-i', '--nb-cores=1', '--total-num-mbufs=16384', `--forward-mode=${forwardMode}`];
  // Its prompt goes out at once, what it prints does not unless it is made to.
  const command = [...within, 'stdbuf', '-oL', TESTPMD, ...eal, ...devices, '--', ...app];
  return execa(command[0]!, command.slice(1), {
    reject: false,
    buffer: false,
    all: true,
    stdin: 'pipe',
    cleanup: true,
  });
}

/** Why none can be started here; undefined when one can. */
export async function testpmdMissing(): Promise<string | undefined> {
  const { code } = await execa(TESTPMD, ['--version'], { reject: false, stdin: 'ignore' });
  return code === 'ENOENT'
    ? `${TESTPMD} is not installed: on Debian it is in the package dpdk-dev`
    : undefined;
}

export class TestpmdProcess extends Testpmd {
  readonly #process: ReturnType<typeof spawn>;
  #ended = false;

  private constructor(process: ReturnType<typeof spawn>) {
    const console = new Console(process.all, process.stdin, { name: 'testpmd' });
    super(console);
    this.#process = process;
    void process.finally(() => {
      this.#ended = true;
      console.fail(console.error('it has ended'));
    });
  }

  /** Runs on one processor. @throws Error with its last words when it does not come up. */
  static async start(options: ProcessOptions): Promise<TestpmdProcess> {
    const started = new TestpmdProcess(spawn(options));
    try {
      await started.ready();
    } catch (error) {
      await started.quit();
      throw error;
    }
    return started;
  }

  async quit(): Promise<void> {
    if (!this.#ended) this.#process.stdin.write('quit\n');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), QUIT_MS_MAX);
    await (this.#process as ResultPromise);
    clearTimeout(timer);
  }
}
