/** Sends noise from one place to another by socat, and says by its checksum whether it arrived unaltered. */
import type { Place } from './place.ts';

const TCP_PORT = 7001;
export const UDP_PORT = 7002;
/** socat's generic option: level SOL_UDP, option UDP_SEGMENT, the bytes of a datagram. */
const udpSegment = (bytes: number): string => `setsockopt-int=17:103:${bytes}`;

export interface Transfer {
  readonly from: Place;
  readonly to: Place;
  /** Of `to`; an IPv6 one without brackets. */
  readonly address: string;
  readonly bytes: number;
  /** Of a write, by TCP. */
  readonly block?: number;
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);
const family = (address: string): string => (address.includes(':') ? '6' : '4');

/** Names of files in a place; several places may be on one machine. */
let files = 0;
const fileOf = (place: Place, what: string): string =>
  `/tmp/ptnet-${process.pid}-${place.name}-${what}-${files++}`;

async function noise(place: Place, file: string, bytes: number): Promise<string> {
  return await place.run(`head -c ${bytes} /dev/urandom > ${file}; sha256sum < ${file}`);
}

export interface Outcome {
  readonly sent: string;
  readonly received: string;
}

/** Runs both ends; a receiver that fails is not waited for by its sender. */
async function run(
  receiving: Promise<string>,
  listening: Promise<void>,
  send: () => Promise<unknown>,
): Promise<string> {
  const failed = receiving.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});
  await Promise.race([listening, failed]);
  await Promise.race([send(), failed]);
  return await receiving;
}

/** A file by TCP. @returns both checksums. */
export async function sendFile({ from, to, address, bytes, block = 8192 }: Transfer): Promise<Outcome> {
  const [source, target] = [fileOf(from, 'sent'), fileOf(to, 'got')];
  const sent = await noise(from, source, bytes);
  const listen = `TCP${family(address)}-LISTEN:${TCP_PORT},reuseaddr`;
  const receiving = to.run(`socat -u ${listen} CREATE:${target} && sha256sum < ${target}; rm ${target}`);
  const send = () =>
    from.run(`socat -u -b ${block} OPEN:${source} TCP:${bracketed(address)}:${TCP_PORT} && rm ${source}`);
  return { sent, received: await run(receiving, to.listening('tcp', TCP_PORT), send) };
}

/**
 * A file by UDP in datagrams of `size` bytes. When they are cut by the kernel it gets all in one write, and cuts it or leaves that to
 * the interface; kernels before 6.12 refuse that for an interface that makes no checksums. It has to fit 64 KiB and a socket's queue.
 */
export async function sendDatagrams(
  { from, to, address, bytes }: Transfer,
  size: number,
  cutBy: 'kernel' | 'sender' = 'kernel',
): Promise<Outcome> {
  const [source, target] = [fileOf(from, 'sent'), fileOf(to, 'got')];
  const sent = await noise(from, source, bytes);
  const listen = `UDP${family(address)}-RECV:${UDP_PORT},null-eof`;
  // An empty datagram is the end; when that one is lost the receiver ends all the same.
  const receiving = to.run(
    `socat -u -T 20 ${listen} CREATE:${target} || :; sha256sum < ${target}; rm ${target}`,
  );
  const peer = `UDP${family(address)}:${bracketed(address)}:${UDP_PORT},shut-null${cutBy === 'kernel' ? `,${udpSegment(size)}` : ''}`;
  const send = () =>
    from.run(`socat -u -b ${cutBy === 'kernel' ? 65_000 : size} OPEN:${source} ${peer} && rm ${source}`);
  return { sent, received: await run(receiving, to.listening('udp', UDP_PORT), send) };
}

/** Checksums that were wrong, of all protocols that count them, since the place is there. */
export async function checksumErrors(place: Place): Promise<number> {
  const script = `awk '
    FNR % 2 == 1 && FILENAME ~ /snmp$/ { n = split($0, names, " "); next }
    FILENAME ~ /snmp$/ { for (i = 2; i <= n; i++) if (names[i] == "InCsumErrors") sum += $i; next }
    $1 ~ /InCsumErrors$/ { sum += $2 }
    END { print sum + 0 }' /proc/net/snmp /proc/net/snmp6`;
  return Number(await place.run(script));
}
