// The application protocol's requests and replies as bytes: what an application sends becomes checked objects, once.
import { constants } from 'node:os';
import { ProtocolError } from '../errors.ts';
import {
  BODY_BYTES_MAX,
  HOST_TO_GUEST,
  MESSAGE,
  NAME_BYTES,
  OPERATION,
  OPTION_BYTES_MAX,
  OPTION_HEADER_BYTES,
  PROTOCOL_VERSION,
  RINGS_MAX,
} from './protocol.ts';

const { EINVAL, EMSGSIZE, EPROTO, EPROTONOSUPPORT } = constants.errno;

const HEADER = 8;
const CONTROL = HEADER + 12 + NAME_BYTES;
const REPLY = 24;
/** Before what an option is to say: which, and how many bytes. */
const CONTENT = 8;
const BINDING = 40;
const BINDING_RING = 24;

export interface Option {
  readonly type: number;
  /** Without its header. */
  readonly bytes: Uint8Array;
}

export interface ControlRequest {
  readonly api: number;
  readonly reqtype: number;
  readonly name: string;
  readonly body: Uint8Array;
  readonly options: readonly Option[];
}

export type Request =
  | { readonly operation: 'control'; readonly control: ControlRequest }
  | { readonly operation: 'region' }
  | { readonly operation: 'binding' }
  | { readonly operation: 'unbind' };

/** A ring that an application has. */
export interface BoundRing {
  /** In the CSB: the port's tx rings first. */
  readonly index: number;
  /** Which of the CSBs that go with the reply. */
  readonly csb: number;
  readonly doorbell: number;
  readonly dir: 'tx' | 'rx';
  readonly slots: number;
  /** Bytes from the start of the region. */
  readonly offset: number;
}

/** What an open file is bound to, for whoever drives its rings. */
export interface Binding {
  readonly memsize: number;
  readonly memId: number;
  readonly flags: number;
  /** NIC tx, host tx, NIC rx, host rx. */
  readonly rings: readonly BoundRing[];
}

export interface Reply {
  readonly errno: number;
  readonly name?: string;
  readonly body?: Uint8Array;
  /** Of each option, in the order of the request. */
  readonly statuses?: readonly number[];
  /** What options are to say from now on, by their place in the request. */
  readonly contents?: ReadonlyMap<number, Uint8Array>;
  readonly binding?: Binding;
}

/** @throws ProtocolError EPROTO when it is no request; EPROTONOSUPPORT, EINVAL or EMSGSIZE for the reply. */
export function decodeRequest(bytes: Uint8Array): Request {
  if (bytes.length < HEADER) throw malformed(`${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0, true) !== MESSAGE.REQUEST) throw malformed(`type ${view.getUint16(0, true)}`);
  const version = view.getUint16(2, true);
  if (version !== PROTOCOL_VERSION)
    throw new ProtocolError(
      EPROTONOSUPPORT,
      `version ${version} of the application protocol: the library of this host (${PROTOCOL_VERSION}) would be right`,
    );
  const operation = view.getUint32(4, true);
  if (operation === OPERATION.CONTROL) return { operation: 'control', control: decodeControl(bytes, view) };
  if (bytes.length !== HEADER) throw malformed(`${bytes.length} bytes for operation ${operation}`);
  if (operation === OPERATION.REGION) return { operation: 'region' };
  if (operation === OPERATION.BINDING) return { operation: 'binding' };
  if (operation === OPERATION.UNBIND) return { operation: 'unbind' };
  throw malformed(`operation ${operation}`);
}

function decodeControl(bytes: Uint8Array, view: DataView): ControlRequest {
  if (bytes.length < CONTROL) throw malformed(`${bytes.length} bytes of a control request`);
  const bodyLength = view.getUint32(HEADER + 4, true);
  const optionCount = view.getUint32(HEADER + 8, true);
  if (bodyLength > BODY_BYTES_MAX || CONTROL + bodyLength > bytes.length)
    throw malformed(`a body of ${bodyLength} bytes`);
  const rest = bytes.subarray(CONTROL + bodyLength);
  return {
    api: view.getUint16(HEADER, true),
    reqtype: view.getUint16(HEADER + 2, true),
    name: decodeName(bytes.subarray(HEADER + 12, CONTROL)),
    body: bytes.subarray(CONTROL, CONTROL + bodyLength),
    options: decodeOptions(rest, optionCount),
  };
}

function decodeName(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  if (end < 0) throw new ProtocolError(EINVAL, `nr_name: does not end within ${NAME_BYTES} bytes`);
  return Buffer.from(bytes.subarray(0, end)).toString('latin1');
}

/** Each is a type, a length and so many bytes. */
function decodeOptions(bytes: Uint8Array, count: number): Option[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const options: Option[] = [];
  let at = 0;
  while (options.length < count) {
    if (at + 8 > bytes.length) throw malformed(`${count} options in ${bytes.length} bytes`);
    const length = view.getUint32(at + 4, true);
    if (length > bytes.length - at - 8) throw malformed(`an option of ${length} bytes`);
    options.push({ type: view.getUint32(at, true), bytes: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  if (at !== bytes.length) throw malformed(`${bytes.length - at} bytes too many`);
  const total = options.reduce((sum, option) => sum + OPTION_HEADER_BYTES + option.bytes.length, 0);
  if (total > OPTION_BYTES_MAX)
    throw new ProtocolError(
      EMSGSIZE,
      `options of ${total} bytes: at most ${OPTION_BYTES_MAX} would be right`,
    );
  return options;
}

const malformed = (what: string): ProtocolError =>
  new ProtocolError(EPROTO, `malformed request: ${what}`, { fatal: true });

export function encodeReply({
  errno,
  name = '',
  body,
  statuses = [],
  contents = new Map(),
  binding,
}: Reply): Uint8Array {
  const bodyLength = body?.length ?? 0;
  const rings = binding?.rings ?? [];
  const bindingLength = binding === undefined ? 0 : BINDING + BINDING_RING * rings.length;
  const bodyAt = REPLY + NAME_BYTES;
  const statusesAt = bodyAt + bodyLength;
  const contentsAt = statusesAt + 4 * statuses.length;
  const contentsLength = [...contents.values()].reduce((sum, { length }) => sum + CONTENT + length, 0);
  const bindingAt = contentsAt + contentsLength;
  const bytes = new Uint8Array(bindingAt + bindingLength);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, MESSAGE.REQUEST, true);
  view.setUint16(2, PROTOCOL_VERSION, true);
  view.setUint32(4, errno, true);
  view.setUint32(8, bodyLength, true);
  view.setUint32(12, statuses.length, true);
  view.setUint32(16, bindingLength, true);
  view.setUint32(20, contentsLength, true);
  bytes.set(Buffer.from(name, 'latin1').subarray(0, NAME_BYTES - 1), REPLY);
  if (body) bytes.set(body, bodyAt);
  statuses.forEach((status, i) => void view.setUint32(statusesAt + 4 * i, status, true));
  let at = contentsAt;
  for (const [option, content] of contents) {
    view.setUint32(at, option, true);
    view.setUint32(at + 4, content.length, true);
    bytes.set(content, at + CONTENT);
    at += CONTENT + content.length;
  }
  if (binding) encodeBinding(new DataView(bytes.buffer, bindingAt), binding);
  return bytes;
}

function encodeBinding(view: DataView, binding: Binding): void {
  view.setBigUint64(0, BigInt(binding.memsize), true);
  view.setBigUint64(8, BigInt(HOST_TO_GUEST), true);
  view.setUint32(16, binding.flags, true);
  view.setUint32(20, RINGS_MAX, true);
  view.setUint32(24, binding.rings.length, true);
  view.setUint32(28, binding.memId, true);
  binding.rings.forEach(({ index, csb, doorbell, dir, slots, offset }, i) => {
    const at = BINDING + BINDING_RING * i;
    view.setBigUint64(at, BigInt(offset), true);
    view.setUint32(at + 8, index, true);
    view.setUint32(at + 12, dir === 'tx' ? 0 : 1, true);
    view.setUint32(at + 16, slots, true);
    view.setUint16(at + 20, csb, true);
    view.setUint16(at + 22, doorbell, true);
  });
}
