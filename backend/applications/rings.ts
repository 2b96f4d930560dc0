// Which rings of a port a register asks for, by its mode, its ring number and its flags.
import { constants } from 'node:os';
import type { PortInfo } from '../../native/ports.ts';
import { ProtocolError } from '../errors.ts';
import type { MonitorName } from '../ports/kinds/monitor.ts';
import type { RegisterBody } from './bodies.ts';
import { NR_FLAG, NR_REG } from './protocol.ts';

const { EINVAL } = constants.errno;

/** What a monitor is to show; undefined: the port itself is asked for. */
export function monitorFlags(flags: number): MonitorName['flags'] | undefined {
  // As netmap's: always both ways.
  if ((flags & NR_FLAG.ZCOPY_MON) !== 0) return 'z';
  const [tx, rx] = [(flags & NR_FLAG.MONITOR_TX) !== 0, (flags & NR_FLAG.MONITOR_RX) !== 0];
  if (tx && rx) return 'rt';
  return tx ? 't' : rx ? 'r' : undefined;
}

/** Rings of a port, and of the one whose rings are its host rings; each by ring, tx rings first. */
export interface RingsWanted {
  readonly nic: readonly boolean[];
  readonly host: readonly boolean[];
}

export type RingCounts = Pick<PortInfo, 'txRings' | 'rxRings'>;

/** Whether a register of this mode has host rings. */
export const wantsHost = (mode: number): boolean =>
  mode === NR_REG.SW || mode === NR_REG.NIC_SW || mode === NR_REG.ONE_SW;

/** @param host the rings that there are for a mode that wants some. @throws ProtocolError EINVAL. */
export function ringsWanted(
  { name, ...nic }: PortInfo,
  host: RingCounts,
  { mode, ringId, flags }: Pick<RegisterBody, 'mode' | 'ringId' | 'flags'>,
): RingsWanted {
  const tx = (flags & NR_FLAG.RX_RINGS_ONLY) === 0;
  const rx = (flags & NR_FLAG.TX_RINGS_ONLY) === 0;
  if (!tx && !rx)
    throw new ProtocolError(EINVAL, `${name}: tx rings only and rx rings only: one of them would be right`);
  const which = wanted(name, mode);
  const pick = ({ txRings, rxRings }: RingCounts, choice: Choice): boolean[] => {
    if (choice === 'one' && ringId >= Math.max(txRings, rxRings))
      throw new ProtocolError(
        EINVAL,
        `${name}: ring ${ringId}: 0 to ${Math.max(txRings, rxRings) - 1} would be right`,
      );
    // Where there are not so many of a direction, the first one stands for it.
    const only = (rings: number): number => (ringId < rings ? ringId : 0);
    const some = (asked: boolean, rings: number): boolean[] =>
      Array.from(
        { length: rings },
        (_, ring) => asked && (choice === 'all' || (choice === 'one' && ring === only(rings))),
      );
    return [...some(tx, txRings), ...some(rx, rxRings)];
  };
  return { nic: pick(nic, which.nic), host: pick(host, which.host) };
}

type Choice = 'all' | 'one' | 'none';

function wanted(name: string, mode: number): { nic: Choice; host: Choice } {
  switch (mode) {
    case NR_REG.ALL_NIC:
    case NR_REG.PIPE_MASTER:
    case NR_REG.PIPE_SLAVE:
      return { nic: 'all', host: 'none' };
    case NR_REG.NULL:
      return { nic: 'none', host: 'none' };
    case NR_REG.ONE_NIC:
      return { nic: 'one', host: 'none' };
    case NR_REG.SW:
      return { nic: 'none', host: 'all' };
    case NR_REG.NIC_SW:
      return { nic: 'all', host: 'all' };
    case NR_REG.ONE_SW:
      return { nic: 'none', host: 'one' };
    default:
      throw new ProtocolError(EINVAL, `${name}: register mode ${mode}: 1 to 8 would be right`);
  }
}
