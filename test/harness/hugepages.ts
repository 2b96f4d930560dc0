// Hugepages for as long as a test or a peer needs them, lent by the kernel.
import { readFileSync, writeFileSync } from 'node:fs';

const FOLDER = '/sys/kernel/mm/hugepages/hugepages-2048kB';

const read = (name: string): number => Number(readFileSync(`${FOLDER}/${name}`, 'utf8'));

class Hugepages {
  #before: number | undefined;
  #lent = 0;

  /** Sees to it that `more` pages of 2 MiB are free, beside those lent before. @return why they are not. */
  lend(more: number): string | undefined {
    const pages = this.#lent + more;
    try {
      const missing = pages - read('free_hugepages');
      if (missing > 0) {
        this.#before ??= read('nr_hugepages');
        writeFileSync(`${FOLDER}/nr_hugepages`, `${read('nr_hugepages') + missing}`);
      }
      const free = read('free_hugepages');
      if (free < pages) return `${pages} hugepages of 2 MiB are needed and only ${free} can be had`;
      this.#lent = pages;
      return undefined;
    } catch (error) {
      return `${pages} free hugepages of 2 MiB are needed: ${(error as Error).message}`;
    }
  }

  /** Called when nobody uses them any more. */
  giveBack(): void {
    this.#lent = 0;
    if (this.#before === undefined) return;
    writeFileSync(`${FOLDER}/nr_hugepages`, `${this.#before}`);
    this.#before = undefined;
  }
}

/** One for the whole machine. */
export const hugepages = new Hugepages();
// Who is interrupted twice closes nothing. Pages that are still in use go when their users do.
process.on('exit', () => hugepages.giveBack());
