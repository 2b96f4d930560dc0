// A vfio-user client on an in-memory transport, for tests that send one message and look at the answer.
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { afterEach, beforeEach, expect } from 'vitest';
import { Complaints } from '../../backend/complaints.ts';
import { Session } from '../../backend/vfio-user/session.ts';
import {
  decodeHeader,
  encodeMessage,
  encodeVersion,
  MESSAGE_FLAG,
  MESSAGE_TYPE,
  VFIO_USER,
} from '../../guest-driver/model/messages.ts';
import { closeFd, dup, eventfd, memfdCreate } from '../../native/os.ts';
import { createPtnet, type PciDevice } from '../../pci/index.ts';
import { openFds } from '../harness/descriptors.ts';
import { type FakeBackend, fakeBackend } from '../unit/pci/guest.ts';
import { type LogLine, RecordingHooks, recordingLog } from './recording.ts';

export const E = constants.errno;
export { VFIO_USER };

export interface SendOptions {
  /** The errno that the reply must carry; 0 by default. */
  expect?: number;
  /** Sent as duplicates: they stay the caller's. */
  fds?: readonly number[];
  noReply?: boolean;
  /** Header flags as they are, in place of what is right. */
  flags?: number;
}

export interface Answer {
  readonly payload: Uint8Array;
  /** The peer closes them. */
  readonly fds: readonly number[];
}

export interface PeerOptions {
  device?: PciDevice;
  hooks?: RecordingHooks;
  /** What the client says about itself. */
  capabilities?: object;
}

export class Peer {
  readonly backend: FakeBackend = fakeBackend();
  readonly device: PciDevice;
  readonly hooks: RecordingHooks;
  readonly session: Session;
  readonly log: LogLine[] = [];
  /** The server has hung up. */
  closed = false;
  readonly #complaints: Complaints;
  readonly #capabilities: object;
  readonly #received: number[] = [];
  #answers: { bytes: Uint8Array; fds: number[] }[] = [];
  #msgId = 0x1230;

  constructor({ device, hooks, capabilities }: PeerOptions = {}) {
    this.device = device ?? createPtnet('vm1/net0', this.backend);
    this.hooks = hooks ?? new RecordingHooks();
    this.#capabilities = capabilities ?? { max_msg_fds: 16, max_data_xfer_size: 1 << 20 };
    this.#complaints = new Complaints(recordingLog(this.log), this.device.name);
    this.session = new Session({
      id: 1,
      device: this.device,
      hooks: this.hooks,
      complaints: this.#complaints,
      transport: {
        send: (bytes, fds) => {
          const copies = fds.map((fd) => dup(fd));
          this.#received.push(...copies);
          this.#answers.push({ bytes, fds: copies });
        },
        close: () => {
          this.closed = true;
        },
      },
    });
  }

  get counters(): Readonly<Record<string, number>> {
    return this.#complaints.counters;
  }

  /** VFIO_USER_VERSION. */
  attach(): this {
    const capabilities = this.#capabilities;
    this.send(VFIO_USER.VERSION, encodeVersion({ major: 0, minor: 0, capabilities }));
    return this;
  }

  /** Sends one command and checks that its answer is the one that there has to be. */
  send(command: number, payload: Uint8Array = new Uint8Array(), options: SendOptions = {}): Answer {
    this.#msgId += 1;
    const flags = options.flags ?? (options.noReply ? MESSAGE_FLAG.NO_REPLY : 0);
    this.raw(encodeMessage({ msgId: this.#msgId, command, flags }, payload), options.fds);
    const answers = this.takeAnswers();
    if (options.noReply) {
      expect(answers).toEqual([]);
      return { payload: new Uint8Array(), fds: [] };
    }
    expect(answers).toHaveLength(1);
    const { bytes, fds } = answers[0]!;
    const header = decodeHeader(bytes);
    expect(header).toMatchObject({ msgId: this.#msgId, command, size: bytes.length });
    expect(nameOf(header.errno), `answer to command ${command}`).toBe(nameOf(options.expect ?? 0));
    const error = header.errno === 0 ? 0 : MESSAGE_FLAG.ERROR;
    expect(header.flags).toBe(MESSAGE_TYPE.REPLY | error);
    if (error !== 0) expect(bytes).toHaveLength(16);
    return { payload: bytes.subarray(16), fds };
  }

  /** Whatever bytes, with duplicates of whatever descriptors. */
  raw(bytes: Uint8Array, fds: readonly number[] = []): void {
    const copies = fds.map((fd) => dup(fd));
    this.session.receive(bytes, copies);
  }

  takeAnswers(): { bytes: Uint8Array; fds: number[] }[] {
    const answers = this.#answers;
    this.#answers = [];
    return answers;
  }

  close(): void {
    this.session.close();
    for (const fd of this.#received.splice(0)) closeFd(fd);
  }
}

function nameOf(errno: number): string {
  return errno === 0 ? 'success' : getSystemErrorName(-errno);
}

export interface Fixture {
  /** A client before VFIO_USER_VERSION. */
  connect(options?: PeerOptions): Peer;
  /** A client after VFIO_USER_VERSION. */
  attach(options?: PeerOptions): Peer;
  memfd(size: number): number;
  eventfd(): number;
  /** Closes `fd` when the test is over. */
  own(fd: number): number;
}

/** Peers and descriptors that go away after each test, which fails when any descriptor is left behind. */
export function useFixture(): Fixture {
  let before: string[] = [];
  let peers: Peer[] = [];
  let fds: number[] = [];
  beforeEach(() => {
    before = openFds();
  });
  afterEach(() => {
    for (const peer of peers) peer.close();
    for (const fd of fds) closeFd(fd);
    peers = [];
    fds = [];
    expect(openFds()).toEqual(before);
  });
  const own = (fd: number): number => {
    fds.push(fd);
    return fd;
  };
  const connect = (options?: PeerOptions): Peer => {
    const peer = new Peer(options);
    peers.push(peer);
    return peer;
  };
  return {
    connect,
    attach: (options) => connect(options).attach(),
    memfd: (size) => own(memfdCreate('guest memory', size)),
    eventfd: () => own(eventfd()),
    own,
  };
}
