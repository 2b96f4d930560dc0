// The end of a session: in which order the host is told, and that nothing of the client is left.
import { expect, test } from 'vitest';
import { Complaints } from '../../backend/complaints.ts';
import { Session } from '../../backend/vfio-user/session.ts';
import {
  encodeDmaMap,
  encodeMessage,
  encodeSetIrqs,
  encodeVersion,
} from '../../guest-driver/model/messages.ts';
import { createPtnet, PTNET } from '../../pci/index.ts';
import { openFds } from '../harness/descriptors.ts';
import { fakeBackend, read as readRegister, write } from '../unit/pci/guest.ts';
import { type Peer, useFixture, VFIO_USER } from './peer.ts';
import { type LogLine, RecordingHooks, recordingLog } from './recording.ts';

const fixture = useFixture();

/** A client with a map, interrupts of all kinds, and a changed device. */
function busy(): Peer {
  const peer = fixture.attach();
  peer.send(VFIO_USER.DMA_MAP, encodeDmaMap({ address: 0n, size: 0x1000n }), {
    fds: [fixture.memfd(0x1000)],
  });
  for (const [index, flags] of [
    [2, 4 | 32],
    [2, 4 | 8],
    [2, 4 | 16],
    [3, 4 | 32],
    [4, 4 | 32],
  ] as const) {
    const payload = encodeSetIrqs({ index, flags, start: 0, count: 1 });
    peer.send(VFIO_USER.SET_IRQS, payload, { fds: [fixture.eventfd()] });
  }
  write(peer.device, PTNET.IO_VNET_HDR_LEN, 12);
  return peer;
}

test('all descriptors are closed', () => {
  const peer = busy();
  const before = openFds().length;
  peer.session.close();
  expect(openFds()).toHaveLength(before - 6);
  expect(peer.closed).toBe(true);
});

test('maps and interrupts are there during onDetach, and gone afterwards', () => {
  const peer = busy();
  const seen: unknown[] = [];
  peer.hooks.on = (call) => {
    const { dma, irqs } = peer.session;
    seen.push(call, dma.maps.length, irqs.msix[0]!.fd >= 0, readRegister(peer.device, PTNET.IO_VNET_HDR_LEN));
  };
  peer.session.close();
  expect(seen).toEqual(['detach', 1, true, 12]);
  expect(peer.session.dma.maps).toEqual([]);
  expect(peer.session.irqs.msix[0]).toEqual({
    fd: -1,
    masked: false,
    pending: false,
    maskFd: -1,
    unmaskFd: -1,
  });
});

test('the next client finds a clean device', () => {
  const peer = busy();
  peer.session.close();
  const next = fixture.attach({ device: peer.device });
  expect(readRegister(next.device, PTNET.IO_VNET_HDR_LEN)).toBe(0);
  expect(next.session.dma.maps).toEqual([]);
});

test('it ends once', () => {
  const peer = busy();
  peer.session.close();
  peer.session.close();
  expect(peer.hooks.calls.filter((call) => call === 'detach')).toEqual(['detach']);
});

test('a client that never got as far as VERSION is none of the host’s business', () => {
  const peer = fixture.connect();
  peer.session.close();
  expect(peer.hooks.calls).toEqual([]);
});

test('a host that fails to let go does not keep descriptors open', () => {
  const peer = busy();
  peer.hooks.on = () => {
    throw new Error('stuck');
  };
  peer.session.close();
  expect(peer.session.dma.maps).toEqual([]);
  expect(readRegister(peer.device, PTNET.IO_VNET_HDR_LEN)).toBe(0);
  expect(peer.log).toMatchObject([{ level: 'error', text: 'vm1/net0: onDetach: Error: stuck' }]);
});

test('a transport that cannot send ends the session', () => {
  const lines: LogLine[] = [];
  const hooks = new RecordingHooks();
  let closed = 0;
  const session = new Session({
    id: 1,
    device: createPtnet('vm1/net0', fakeBackend()),
    hooks,
    complaints: new Complaints(recordingLog(lines), 'vm1/net0'),
    transport: {
      send: () => {
        throw new Error('EPIPE');
      },
      close: () => {
        closed += 1;
      },
    },
  });
  const version = encodeVersion({ major: 0, minor: 0, capabilities: {} });
  session.receive(encodeMessage({ msgId: 1, command: VFIO_USER.VERSION }, version), []);
  expect({ closed, state: session.state, calls: hooks.calls }).toEqual({
    closed: 1,
    state: 'closed',
    calls: [],
  });
  expect(lines).toMatchObject([{ level: 'warn', text: 'vm1/net0: reply not sent: Error: EPIPE' }]);
});
