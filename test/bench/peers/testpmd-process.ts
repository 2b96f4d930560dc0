// One testpmd: started with its command line open, told what to do, asked for its counters.
import { execa, type ResultPromise } from 'execa';

const PROMPT = 'testpmd> ';
const ANSWER_MS_MAX = 20_000;

export const TESTPMD = 'dpdk-testpmd';

function spawn(cpu: number, vdev: string, forwardMode: string) {
  const cores = `0@${cpu},1@${cpu}`;
  // The main thread sleeps at its prompt; the other one forwards, on the same processor.
  const eal = ['--no-pci', '--in-memory', '--single-file-segments', '-m', '128', '--lcores', cores];
  const app = ['-i', '--nb-cores=1', '--total-num-mbufs=16384', `--forward-mode=${forwardMode}`];
  // Its prompt goes out at once, what it prints does not unless it is made to.
  return execa('stdbuf', ['-oL', TESTPMD, ...eal, '--vdev', vdev, '--', ...app], {
    reject: false,
    buffer: false,
    all: true,
    stdin: 'pipe',
    cleanup: true,
  });
}

export class Testpmd {
  readonly #process: ReturnType<typeof spawn>;
  #text = '';
  #ended = false;
  #changed: () => void = () => {};

  private constructor(process: ReturnType<typeof spawn>) {
    this.#process = process;
    process.all.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
      this.#changed();
    });
    void process.finally(() => {
      this.#ended = true;
      this.#changed();
    });
  }

  /** Runs on one processor. @throws Error with its last words when it does not come up. */
  static async start(options: { cpu: number; vdev: string; forwardMode: string }): Promise<Testpmd> {
    const started = new Testpmd(spawn(options.cpu, options.vdev, options.forwardMode));
    try {
      await started.#prompt(0);
    } catch (error) {
      await started.quit();
      throw error;
    }
    return started;
  }

  /** @return what it answers. */
  async tell(command: string): Promise<string> {
    const from = this.#text.length;
    this.#process.stdin.write(`${command}\n`);
    await this.#prompt(from);
    return this.#text.slice(from);
  }

  /** Packets that its port has received so far. */
  async received(): Promise<number> {
    const answer = await this.tell('show port stats 0');
    const found = /RX-packets:\s*(\d+)/.exec(answer);
    if (!found) throw new Error(`testpmd: no RX-packets in its answer: ${answer.trim()}`);
    return Number(found[1]);
  }

  async quit(): Promise<void> {
    if (!this.#ended) this.#process.stdin.write('quit\n');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    await (this.#process as ResultPromise);
    clearTimeout(timer);
  }

  /** Waits for the next prompt behind `from`. */
  async #prompt(from: number): Promise<void> {
    const deadline = setTimeout(() => this.#changed(), ANSWER_MS_MAX);
    const start = performance.now();
    try {
      while (!this.#text.slice(from).includes(PROMPT)) {
        if (this.#ended || performance.now() - start >= ANSWER_MS_MAX)
          throw new Error(`testpmd: no prompt: ${this.#text.trim().split('\n').slice(-3).join(' | ')}`);
        await new Promise<void>((resolve) => {
          this.#changed = resolve;
        });
      }
    } finally {
      clearTimeout(deadline);
    }
  }
}
