// `ptnet doctor`: what this machine has and lacks, to be pasted into a bug report.
import { type DoctorItem, doctorFacts, examine } from '../check/doctor/doctor.ts';
import { readMachine } from '../check/machine/read.ts';
import { packageVersion } from '../package-files.ts';
import type { Io } from './io.ts';

export async function doctor(options: { readonly json: boolean }, io: Io): Promise<void> {
  const items = examine(await readMachine(), doctorFacts(packageVersion()));
  io.out(options.json ? `${JSON.stringify({ items })}\n` : describe(items));
}

/** `-` stands before what is lacking. */
export function describe(items: readonly DoctorItem[]): string {
  const width = Math.max(...items.map(({ name }) => name.length));
  const mark = ({ has }: DoctorItem): string => (has === null ? ' ' : has ? '+' : '-');
  return items
    .map((one) => {
      const use = one.use === '' ? '' : `  (${one.use})`;
      return `${mark(one)} ${one.name.padEnd(width)}  ${one.value}${use}\n`;
    })
    .join('');
}
