// Version negotiation: what the client can take, and what we offer in return.
import { constants } from 'node:os';
import { ProtocolError } from '../errors.ts';
import {
  DEFAULT_MAX_MSG_FDS,
  DMA_PAGE_SIZE,
  MAX_DATA_XFER_SIZE,
  MAX_MSG_FDS,
  MAX_VERSION_DATA,
  VERSION_MAJOR,
  VERSION_MINOR,
} from './protocol.ts';
import { encodeVersion, type Version } from './wire.ts';

const { EINVAL } = constants.errno;

/** What a client said about itself. */
export interface ClientLimits {
  /** Descriptors that it takes in one message. */
  readonly maxMsgFds: number;
}

/** @throws ProtocolError, fatal: a connection without a version is of no use. */
export function negotiate(
  client: Version,
  maxDmaMaps: number,
  maxDataXfer = MAX_DATA_XFER_SIZE,
): { reply: Uint8Array; limits: ClientLimits } {
  if (client.major !== VERSION_MAJOR) {
    throw refuse(`protocol version ${client.major}.${client.minor}: we speak ${VERSION_MAJOR}.x`);
  }
  const offered = capabilities(client.data);
  const maxMsgFds = number(offered, 'max_msg_fds') ?? DEFAULT_MAX_MSG_FDS;
  number(offered, 'max_data_xfer_size');
  const ours: Record<string, unknown> = {
    max_msg_fds: MAX_MSG_FDS,
    max_data_xfer_size: maxDataXfer,
    max_dma_maps: maxDmaMaps,
    pgsizes: DMA_PAGE_SIZE,
  };
  // A feature, not a limit: only for a client that knows it.
  if (offered.write_multiple === true) ours.write_multiple = true;
  const minor = Math.min(client.minor, VERSION_MINOR);
  const reply = encodeVersion(VERSION_MAJOR, minor, JSON.stringify({ capabilities: ours }));
  return { reply, limits: { maxMsgFds: Math.min(maxMsgFds, MAX_MSG_FDS) } };
}

function capabilities(data: Uint8Array): Record<string, unknown> {
  if (data.length === 0) return {};
  if (data.length > MAX_VERSION_DATA) {
    throw refuse(`version data of ${data.length} bytes: at most ${MAX_VERSION_DATA} are allowed`);
  }
  if (data.at(-1) !== 0) throw refuse('version data: must end with a NUL');
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(0, -1)));
  } catch (error) {
    throw new ProtocolError(EINVAL, 'version data: is not JSON text', { fatal: true, cause: error });
  }
  if (!isObject(parsed)) throw refuse('version data: must be a JSON object');
  const found = parsed.capabilities ?? {};
  if (!isObject(found)) throw refuse('version data: capabilities must be a JSON object');
  return found;
}

function number(from: Record<string, unknown>, key: string): number | undefined {
  const value = from[key];
  if (value === undefined) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw refuse(`version data: ${key} must be a whole number`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(message: string): ProtocolError {
  return new ProtocolError(EINVAL, message, { fatal: true });
}
