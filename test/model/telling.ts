// What a host tells of itself, heard by a test, which makes it wrong and tells it to a process that is to go on with it.
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, vi } from 'vitest';
import { handover, PACKET_BYTES_MAX, PACKET_FDS_MAX } from '../../native/handover.ts';
import { closeFd } from '../../native/os.ts';
import { onEnd } from './scene.ts';
import { type Running, Upgraded } from './upgraded.ts';

// biome-ignore lint/suspicious/noExplicitAny: it is to be made wrong in every way
export type Anything = any;

export const HELLO = { kind: 'hello', protocol: 1, state: 1, version: 'test', file: false };

export function connect(host: Upgraded): number {
  const socket = handover.packetsConnect(join(host.runDir, 'upgrade.sock'));
  return socket;
}
export const send = (socket: number, message: object, fds: readonly number[] = []): void =>
  handover.packetSend(socket, Buffer.from(JSON.stringify(message)), fds, 1000);
export function hear(socket: number): Anything {
  const packet = handover.packetReceive(socket, 5000);
  return packet && JSON.parse(Buffer.from(packet.bytes).toString('utf8'));
}

/** What comes behind such a word. */
function hearPieces(socket: number, kind: string): { text: string; fds: number[] } {
  const word = hear(socket);
  expect(word.kind).toBe(kind);
  const parts: Uint8Array[] = [];
  const fds: number[] = [];
  for (let got = 0; got < word.bytes; ) {
    const packet = handover.packetReceive(socket, 5000)!;
    parts.push(packet.bytes);
    fds.push(...packet.fds);
    got += packet.bytes.length;
  }
  return { text: Buffer.concat(parts).toString('utf8'), fds };
}

function sendPieces(socket: number, word: object, text: string, fds: readonly number[]): void {
  const bytes = Buffer.from(text);
  send(socket, { ...word, bytes: bytes.length });
  const pieces = Math.max(
    Math.ceil(bytes.length / PACKET_BYTES_MAX),
    Math.ceil(fds.length / PACKET_FDS_MAX),
    1,
  );
  const [size, some] = [Math.ceil(bytes.length / pieces), Math.ceil(fds.length / pieces)];
  for (let i = 0; i < pieces; i++) {
    const rest = fds.slice(i * some, (i + 1) * some);
    handover.packetSend(socket, bytes.subarray(i * size, (i + 1) * size), rest, 1000);
  }
}

export interface Told {
  readonly plan: Anything;
  readonly draft: Piece;
  /** Behind that. */
  readonly rest: Piece;
  /** Both as one. */
  readonly state: Anything;
  readonly fds: readonly number[];
}

export interface Piece {
  readonly state: Anything;
  readonly fds: readonly number[];
}

/** What a host tells of itself; it goes on afterwards. */
export function tell(host: Upgraded): Told {
  const socket = connect(host);
  send(socket, HELLO);
  const plan = hear(socket);
  const pieceOf = ({ text, fds }: { text: string; fds: number[] }): Piece => {
    onEnd(() => fds.forEach(closeFd));
    return { state: JSON.parse(text), fds };
  };
  const draft = pieceOf(hearPieces(socket, 'draft'));
  send(socket, { kind: 'go' });
  const rest = pieceOf(hearPieces(socket, 'state'));
  closeFd(socket);
  const regions = structuredClone(draft.state.regions);
  for (const region of regions) region.fd += rest.fds.length;
  return { plan, draft, rest, state: { ...rest.state, regions }, fds: [...rest.fds, ...draft.fds] };
}

/** A process that is to take this over, from this test. @returns what it says of it */
export async function offer(
  host: Upgraded,
  told: Told,
  state: string,
  fds: readonly number[],
  announced = fds.length,
  draft: Piece = { state: told.state, fds: [] },
  start = (other: Upgraded) => other.run('--takeover'),
) {
  const { plan } = told;
  const other = new Upgraded(host.yaml);
  mkdirSync(other.runDir, { recursive: true });
  const listener = handover.packetsListen(join(other.runDir, 'upgrade.sock'), 0o600);
  // Whatever lies there is that of a host that goes on.
  const files: string[] = told.state.devices.map(({ path }: { path: string }) =>
    path.replace(host.runDir, other.runDir),
  );
  for (const file of files) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
  }
  const taker = start(other);
  let socket: number | undefined;
  await vi.waitFor(() => {
    socket ??= handover.packetsAccept(listener);
    expect(socket).toBeDefined();
  }, 30_000);
  hear(socket!);
  send(socket!, { ...plan, pid: process.pid });
  // The run-dir of its file is the one that is taken over.
  const here = (text: string) => text.replaceAll(host.runDir, other.runDir);
  sendPieces(socket!, { kind: 'draft', fds: draft.fds.length }, here(JSON.stringify(draft.state)), draft.fds);
  hear(socket!);
  sendPieces(socket!, { kind: 'state', fds: announced }, here(state), fds);
  let answer: Anything;
  try {
    answer = hear(socket!);
  } catch {
    answer = undefined;
  }
  closeFd(socket!);
  closeFd(listener);
  if (taker.child.exitCode === null) await once(taker.child, 'exit');
  expect(
    files.filter((file) => !existsSync(file)),
    taker.text(),
  ).toEqual([]);
  return { answer, code: taker.child.exitCode, signal: taker.child.signalCode, text: taker.text() };
}

/** @param part of a state, which each scribble makes wrong. */
export async function refusesAll(
  host: Upgraded,
  told: Told,
  part: (state: Anything) => Anything,
  scribbles: Readonly<Record<string, (part: Anything, state: Anything) => void>>,
  { state, fds, draft }: { state: Anything; fds: readonly number[]; draft?: Piece } = told,
  start?: (other: Upgraded) => Running,
): Promise<void> {
  for (const [what, scribble] of Object.entries(scribbles)) {
    const other = structuredClone(state);
    scribble(part(other), other);
    const { answer, code, signal, text } = await offer(
      host,
      told,
      JSON.stringify(other),
      fds,
      fds.length,
      draft,
      start,
    );
    expect(answer?.kind, `${what}: ${text}`).toBe('failed');
    expect({ code, signal }, what).toEqual({ code: 1, signal: null });
  }
}
