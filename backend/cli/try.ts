// `ptnet try`: the ports of a file with test guests of ours in real VMs: what arrives, and whether that is right.
import { loadConfig } from '../config/load.ts';
import { configWarnings } from '../config/warnings.ts';
import { attachedVms } from '../hypervisor/attach.ts';
import { selectVms } from '../hypervisor/select-vms.ts';
import { type TriedPath, type TryEvent, type TryResult, tryConfig } from '../measure/try.ts';
import { columns, thousands } from '../report/columns.ts';
import { interruptible } from './interrupt.ts';
import type { Io } from './io.ts';

export interface TryCommandOptions {
  readonly json: boolean;
  readonly seconds: number;
}

/** @returns whether every path was right. */
export async function tryFile(
  file: string,
  names: readonly string[],
  { json, seconds }: TryCommandOptions,
  io: Io,
): Promise<boolean> {
  const config = loadConfig(file);
  for (const name of names) selectVms(attachedVms(config), name, file);
  for (const warning of configWarnings(config)) io.err(`warning: ${file}: ${warning}\n`);
  const vms = names.length > 0 ? { vms: [...new Set(names)] } : {};
  const result = await interruptible(io, (signal) =>
    tryConfig(config, { ...vms, seconds, signal, onEvent: (event) => io.err(describe(event)) }),
  );
  io.out(json ? `${JSON.stringify(result)}\n` : format(result));
  return result.paths.every(({ verdict }) => verdict !== 'fail');
}

function describe(event: TryEvent): string {
  switch (event.kind) {
    case 'boot':
      return `ptnet: booting ${event.vms.join(', ')} with test guests (${event.by})\n`;
    case 'path':
      return `ptnet: ${event.path} ...\n`;
    case 'tried':
      return `ptnet: ${event.result.path}: ${thousands(event.result.received)} packets: ${verdictOf(event.result)}\n`;
  }
}

const verdictOf = ({ verdict, why }: TriedPath): string =>
  why === undefined ? verdict : `${verdict}: ${why}`;

function format({ vms, paths, left }: TryResult): string {
  const rows = paths.map((path) => [
    path.path,
    path.by,
    thousands(path.received),
    path.lost === null ? '-' : thousands(path.lost),
    thousands(path.corrupt),
    path.mpps.toFixed(2),
    verdictOf(path),
  ]);
  const failed = paths.filter(({ verdict }) => verdict === 'fail').length;
  const passed = paths.filter(({ verdict }) => verdict === 'pass').length;
  const table = columns(['path', 'by', 'packets', 'lost', 'corrupt', 'Mpps', 'verdict'], rows, 'llrrrrl');
  return `${table}\n${left.map((one) => `not tried: ${one}\n`).join('')}${passed} of ${paths.length} paths carry packets, every byte as it was sent${failed > 0 ? `; ${failed} do not` : ''} (${vms})\n`;
}
