// The application protocol as bytes: requests that are none, and replies field by field.
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { decodeRequest, encodeReply } from '../../../../backend/applications/wire.ts';
import { ProtocolError } from '../../../../backend/errors.ts';

const { EINVAL, EMSGSIZE, EPROTO, EPROTONOSUPPORT } = constants.errno;

function request(operation: number, rest: Uint8Array = new Uint8Array(), version = 3): Uint8Array {
  const bytes = new Uint8Array(8 + rest.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 2, true);
  view.setUint16(2, version, true);
  view.setUint32(4, operation, true);
  bytes.set(rest, 8);
  return bytes;
}

interface Control {
  api?: number;
  reqtype?: number;
  name?: string;
  body?: Uint8Array;
  bodyLength?: number;
  options?: readonly (readonly [type: number, length: number, bytes: number])[];
  count?: number;
}

function control({
  api = 15,
  reqtype = 1,
  name = 'vale0:1',
  body = new Uint8Array(56),
  ...rest
}: Control = {}) {
  const { bodyLength = body.length, options = [], count = options.length } = rest;
  const tail = options.flatMap(([type, length, bytes]) => {
    const option = new Uint8Array(8 + bytes);
    const view = new DataView(option.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, length, true);
    return [...option];
  });
  const bytes = new Uint8Array(76 + body.length + tail.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, api, true);
  view.setUint16(2, reqtype, true);
  view.setUint32(4, bodyLength, true);
  view.setUint32(8, count, true);
  bytes.set(Buffer.from(name, 'latin1'), 12);
  bytes.set(body, 76);
  bytes.set(tail, 76 + body.length);
  return request(1, bytes);
}

function refused(bytes: Uint8Array): number {
  try {
    decodeRequest(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return error.errno;
    throw error;
  }
  return 0;
}

test('requests are read field by field', () => {
  expect(decodeRequest(request(2))).toEqual({ operation: 'region' });
  expect(decodeRequest(request(3))).toEqual({ operation: 'binding' });
  expect(decodeRequest(request(4))).toEqual({ operation: 'unbind' });
  const body = Uint8Array.from({ length: 8 }, (_, i) => i);
  const bytes = control({ api: 14, reqtype: 7, name: 'a{1', body, options: [[4, 3, 3]] });
  expect(decodeRequest(bytes)).toEqual({
    operation: 'control',
    control: { api: 14, reqtype: 7, name: 'a{1', body, options: [{ type: 4, bytes: new Uint8Array(3) }] },
  });
});

test.each([
  ['nothing', new Uint8Array()],
  ['seven bytes', request(2).subarray(0, 7)],
  ['a doorbell', Uint8Array.of(1, 0, 1, 0, 2, 0, 0, 0)],
  ['an unknown operation', request(5)],
  ['operation 0', request(0)],
  ['bytes behind an operation without any', request(2, new Uint8Array(1))],
  ['a control request that is cut', control().subarray(0, 83)],
  ['a body that is cut', control().subarray(0, 130)],
  ['a body beyond the message', control({ bodyLength: 57 })],
  ['a body beyond any', control({ bodyLength: 65, body: new Uint8Array(65) })],
  ['bytes behind the last option', control({ options: [[1, 2, 3]] })],
  ['an option that is cut', control({ options: [[1, 3, 2]] })],
  ['an option of 4 GiB', control({ options: [[1, 0xffff_ffff, 0]] })],
  ['more options than there are', control({ options: [[1, 0, 0]], count: 2 })],
  ['four thousand million options', control({ count: 0xffff_ffff })],
])('%s is no request', (_, bytes) => {
  expect(refused(bytes)).toBe(EPROTO);
});

test('another version, a name without an end and options that are too long are refused with what they are', () => {
  expect(refused(request(2, new Uint8Array(), 1))).toBe(EPROTONOSUPPORT);
  expect(refused(request(2, new Uint8Array(), 0))).toBe(EPROTONOSUPPORT);
  expect(refused(control({ name: 'v'.repeat(64) }))).toBe(EINVAL);
  expect(refused(control({ name: 'v'.repeat(63) }))).toBe(0);
  expect(refused(control({ options: [[2, 4072, 4072]] }))).toBe(0);
  expect(refused(control({ options: [[2, 4073, 4073]] }))).toBe(EMSGSIZE);
});

test('a reply has what the page says, where it says', () => {
  const bytes = encodeReply({
    errno: 5,
    name: 'vale0:1',
    body: Uint8Array.of(1, 2, 3, 4),
    statuses: [95, 22],
    contents: new Map([[1, Uint8Array.of(5, 6, 7, 8)]]),
    binding: {
      memsize: 2 ** 33,
      memId: 7,
      flags: 0x800,
      rings: [{ index: 4, csb: 1, doorbell: 68, dir: 'rx', slots: 1024, offset: 2 ** 32 + 64 }],
    },
  });
  const view = new DataView(bytes.buffer);
  expect([view.getUint16(0, true), view.getUint16(2, true)]).toEqual([2, 3]);
  expect([4, 8, 12, 16, 20].map((at) => view.getUint32(at, true))).toEqual([5, 4, 2, 64, 12]);
  expect(Buffer.from(bytes.subarray(24, 32)).toString()).toBe('vale0:1\0');
  expect([...bytes.subarray(88, 92)]).toEqual([1, 2, 3, 4]);
  expect([92, 96].map((at) => view.getUint32(at, true))).toEqual([95, 22]);
  expect([100, 104].map((at) => view.getUint32(at, true))).toEqual([1, 4]);
  expect([...bytes.subarray(108, 112)]).toEqual([5, 6, 7, 8]);
  const at = 112;
  expect(view.getBigUint64(at, true)).toBe(2n ** 33n);
  expect(view.getBigUint64(at + 8, true)).toBe(4096n);
  expect([16, 20, 24, 28].map((field) => view.getUint32(at + field, true))).toEqual([0x800, 64, 1, 7]);
  expect(view.getBigUint64(at + 40, true)).toBe(2n ** 32n + 64n);
  expect([48, 52, 56].map((field) => view.getUint32(at + field, true))).toEqual([4, 1, 1024]);
  expect([60, 62].map((field) => view.getUint16(at + field, true))).toEqual([1, 68]);
  expect(bytes).toHaveLength(at + 64);
});
