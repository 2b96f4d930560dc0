// The messages of a handover on their socket: small ones as JSON, each a packet; the state in as many packets as it takes, with its descriptors.
import { handover, PACKET_BYTES_MAX, PACKET_FDS_MAX } from '../../native/handover.ts';
import { closeFd } from '../../native/os.ts';
import { PtnetError } from '../errors.ts';
import { type Message, MessageSchema } from './state.ts';

/** More than any host has; what is to come is announced, and no memory is taken for more. */
const STATE_BYTES_MAX = 2 ** 28;
const STATE_FDS_MAX = 100_000;
const PIECE = PACKET_BYTES_MAX;

/** What comes to nothing, and why: a line for people. */
export class HandoverError extends PtnetError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_HANDOVER', message, options);
  }
}

/** One end. Everything waits until `deadline` (of performance.now()) and no longer: an event loop that turns would be one that serves. */
export class Wire {
  readonly fd: number;
  deadline = Number.POSITIVE_INFINITY;

  constructor(fd: number) {
    this.fd = fd;
  }

  #left(): number {
    return Math.min(Math.max(Math.ceil(this.deadline - performance.now()), 0), 60_000);
  }

  /** @throws HandoverError when it cannot be sent */
  send(message: Message): void {
    this.#sendBytes(Buffer.from(JSON.stringify(message)), []);
  }

  #sendBytes(bytes: Uint8Array, fds: readonly number[]): void {
    try {
      handover.packetSend(this.fd, bytes, fds, this.#left());
    } catch (error) {
      throw new HandoverError(explain(error), { cause: error });
    }
  }

  /**
   * The state, or what it will be like, so that whoever is to read it can build most of it before anybody waits for that. The
   * descriptors stay the caller's.
   */
  sendState(kind: 'draft' | 'state', text: string, fds: readonly number[]): void {
    const bytes = Buffer.from(text);
    this.send({ kind, bytes: bytes.length, fds: fds.length });
    this.#sendPieces(bytes, fds);
  }

  #sendPieces(bytes: Uint8Array, fds: readonly number[]): void {
    const pieces = Math.max(Math.ceil(bytes.length / PIECE), Math.ceil(fds.length / PACKET_FDS_MAX));
    const size = Math.ceil(bytes.length / pieces);
    const some = Math.ceil(fds.length / pieces);
    for (let i = 0; i < pieces; i++)
      this.#sendBytes(bytes.subarray(i * size, (i + 1) * size), fds.slice(i * some, (i + 1) * some));
  }

  #receiveBytes(): { bytes: Uint8Array; fds: number[] } | undefined {
    try {
      return handover.packetReceive(this.fd, this.#left());
    } catch (error) {
      throw new HandoverError(explain(error), { cause: error });
    }
  }

  /** undefined: the other end is gone. @throws HandoverError when nothing comes in time, or nothing that is a message */
  receive(): Message | undefined {
    const packet = this.#receiveBytes();
    if (packet === undefined) return undefined;
    for (const fd of packet.fds) closeFd(fd);
    if (packet.fds.length > 0) throw new HandoverError('a message with descriptors, which has none');
    try {
      return MessageSchema.parse(JSON.parse(Buffer.from(packet.bytes).toString('utf8')));
    } catch (error) {
      throw new HandoverError('a message that is none', { cause: error });
    }
  }

  /** What sendState() has sent, as announced; the descriptors are the caller's. @throws HandoverError, with none left open */
  receiveState({ bytes, fds }: { bytes: number; fds: number }): { text: string; fds: number[] } {
    if (bytes > STATE_BYTES_MAX || fds > STATE_FDS_MAX)
      throw new HandoverError(`a state of ${bytes} bytes and ${fds} descriptors: more than there can be`);
    const parts: Uint8Array[] = [];
    const got: number[] = [];
    try {
      for (let have = 0; have < bytes; ) {
        const packet = this.#receiveBytes();
        if (packet === undefined)
          throw new HandoverError('the other process ended before all of its state was here');
        parts.push(packet.bytes);
        have += packet.bytes.length;
        got.push(...packet.fds);
        if (have > bytes || got.length > fds) throw new HandoverError('more state than was announced');
      }
      if (got.length !== fds) throw new HandoverError(`${got.length} descriptors: ${fds} were announced`);
    } catch (error) {
      for (const fd of got) closeFd(fd);
      throw error;
    }
    return { text: Buffer.concat(parts).toString('utf8'), fds: got };
  }

  close(): void {
    closeFd(this.fd);
  }
}

function explain(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  if (code === 'ETIMEDOUT') return 'the other process does not answer in time';
  return code === 'EPIPE' || code === 'ECONNRESET' ? 'the other process ended' : message;
}
