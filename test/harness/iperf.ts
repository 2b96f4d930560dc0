/** iperf3 between two places: what arrived, and whether anything was lost. */
import type { Place } from './place.ts';

export interface Flow {
  readonly protocol: 'tcp' | 'udp';
  /** Of the server. */
  readonly address: string;
  readonly seconds: number;
  readonly streams?: number;
  /** From the server to the client. */
  readonly reverse?: boolean;
  /** Bytes of a write, or of a datagram. */
  readonly length?: number;
  /** Bits per second of a UDP stream; 0 is as many as can be sent. */
  readonly bitrate?: number | string;
}

export interface Arrived {
  readonly bytes: number;
  readonly seconds: number;
  readonly bitsPerSecond: number;
  /** UDP. */
  readonly packets: number;
  readonly lost: number;
  /** TCP: of the sender; 0 where it cannot tell. */
  readonly retransmits: number;
}

interface Sum {
  readonly bytes: number;
  readonly seconds: number;
  readonly bits_per_second: number;
  readonly packets?: number;
  readonly lost_packets?: number;
  readonly retransmits?: number;
}

const words = ({ protocol, address, seconds, streams, reverse, length, bitrate }: Flow): string =>
  [
    `--client ${address} --json --time ${seconds} --connect-timeout 10000`,
    ...(protocol === 'udp' ? [`--udp --bitrate ${bitrate ?? 0}`] : []),
    ...(streams === undefined ? [] : [`--parallel ${streams}`]),
    ...(reverse ? ['--reverse'] : []),
    ...(length === undefined ? [] : [`--length ${length}`]),
  ].join(' ');

const PORT = 5201;
/** Time that the ends need to begin and to end, beside that of the flow. */
const PATIENCE_S = 60;

/** Runs a server for one connection and a client. @throws when either fails. */
export async function iperf(client: Place, server: Place, flow: Flow): Promise<Arrived> {
  const timeoutMs = (flow.seconds + PATIENCE_S) * 1000;
  const serving = server.run(`iperf3 --server --one-off --json --idle-timeout ${PATIENCE_S}`, timeoutMs);
  serving.catch(() => {});
  await server.listening('tcp', PORT);
  const text = await client.run(`iperf3 ${words(flow)}`, timeoutMs);
  await serving;
  const { end } = JSON.parse(text) as { end: { sum_received?: Sum; sum_sent?: Sum; sum?: Sum } };
  const got = end.sum_received ?? end.sum!;
  return {
    bytes: got.bytes,
    seconds: got.seconds,
    bitsPerSecond: got.bits_per_second,
    packets: got.packets ?? 0,
    lost: got.lost_packets ?? 0,
    retransmits: end.sum_sent?.retransmits ?? 0,
  };
}
