// What each counter and each reason for a drop means, and what to do about it: the commands and docs/counters.md say it from here.
import type { DropCause } from '../../native/stats.ts';

export interface Explanation {
  readonly meaning: string;
  /** What to do when it grows; nothing to do when not given. */
  readonly action?: string;
}

/** Packets that reached nobody. Of a tx ring: the client's own doing, or that of the way. Of an rx ring: the client got fewer. */
export const DROPS: Readonly<Record<DropCause, Explanation>> = {
  full: {
    meaning: 'the destination ring had no room',
    action:
      'the receiver is slower than the sender: more rx-slots, a larger patience-us of the switch, a rate for the sender, or another worker for the receiver',
  },
  down: {
    meaning: 'nobody serves the destination: no VM is connected there, or its driver has not started',
    action: "'ptnet show VM' says which of the two; bring the interface up in the guest",
  },
  'no-destination': {
    meaning: 'there was nobody else on the switch that the packet could go to',
    action: "'ptnet show SWITCH' lists who is there: a switch with one port has no use",
  },
  'bad-buf': {
    meaning: "a slot's buf_idx is outside the region",
    action: "the guest's driver or netmap application is wrong",
  },
  'bad-len': {
    meaning: "a slot's len is beyond its buffer, or shorter than an Ethernet header",
    action: "the guest's driver or netmap application is wrong, or expects another buf-size",
  },
  'bad-flags': {
    meaning: 'a slot has NS_INDIRECT, which is not served',
    action: 'the netmap application has to copy into the buffer of the slot',
  },
  'bad-frags': {
    meaning: 'a packet has more than 64 slots (NS_MOREFRAG without end)',
    action: "the guest's driver or netmap application is wrong, or the buffers are too small for its packets",
  },
  'bad-vnet': {
    meaning: 'a virtio-net header does not fit its packet',
    action:
      "the guest's driver is wrong, or its application knows no such header: 'vnet-hdr: false' for the port switches them off",
  },
  'too-long': {
    meaning: "UDP datagrams of a virtio-net header are longer than the receiver's mtu",
    action: 'the same mtu for sender and receiver',
  },
  rate: {
    meaning: "more than the receiver's rate lets through, on a switch",
    action:
      "limit those who send ('rate: { tx: ... }'), which holds back instead of dropping, or raise the rate",
  },
  storm: {
    meaning: "broadcast, multicast or unknown unicast beyond the sender's storm control",
    action: 'look at what the guest sends; raise storm-control if that is meant',
  },
  filtered: {
    meaning: "the switch's lookup function lets the packet go nowhere",
    action: "'ptnet show SWITCH' says which function it is; docs/lookup.md explains them",
  },
};

/** Counters of a ring beside its drops. */
export const RING_COUNTERS: Readonly<Record<string, Explanation>> = {
  packets: { meaning: 'packets that were taken from the client (tx) or given to it (rx)' },
  bytes: { meaning: 'bytes of these, virtio-net headers included' },
  kicks: {
    meaning: 'doorbells that the client has rung',
    action: "many a second while packets flow: 'policy: adaptive' or 'poll' and a longer spin-us save them",
  },
  interrupts: { meaning: 'interrupts that were raised for the client' },
  syncs: { meaning: 'batches: packets divided by syncs is how many move at a time' },
  badIndex: {
    meaning: 'times that head or cur was outside what the client owns; the ring waits for the next kick',
    action: "the guest's driver or netmap application is wrong",
  },
  reraised: {
    meaning: 'interrupts that were raised again, because the guest seems to have overlooked one',
    action: 'few are harmless; many: the guest is very busy, or its driver loses interrupts',
  },
  irqSlow: {
    meaning:
      "1: raising an interrupt took so long that the device's are raised by a thread of their own, later",
    action: 'whoever holds the eventfd makes it slow: restart that hypervisor',
  },
  memSlow: {
    meaning: "times that the device's memory kept others waiting, and was left alone for a while",
    action: "the guest's memory is swapped, or punched: keep it in RAM (hugepages, mlock)",
  },
};

/** What a null port's sink finds when it verifies. */
export const SINK_COUNTERS: Readonly<Record<string, Explanation>> = {
  lost: { meaning: 'sequence numbers that did not come' },
  late: { meaning: 'packets that came after one with a higher number' },
  corrupt: {
    meaning: 'packets that are not what their sender has made',
    action:
      'the client sends other packets than probe packets, or memory is shared with somebody who changes it',
  },
};

/** Of interfaces that are no taps. */
export const LOST_COUNTERS: Readonly<Record<string, Explanation>> = {
  full: { meaning: 'frames that nobody took in time', action: 'more rx-slots, or a worker that polls' },
  tooLarge: {
    meaning: 'frames that did not fit the slots of a packet',
    action: "switch merging off: 'ethtool -K IF lro off gro off'",
  },
  refused: {
    meaning: 'frames of ours that the kernel did not take',
    action: 'the interface is down, or its queue is full',
  },
};

export const WORKER_COUNTERS: Readonly<Record<string, Explanation>> = {
  cpuSeconds: { meaning: 'CPU time that the thread has had' },
  rounds: { meaning: 'passes over the busy rings' },
  busyRounds: { meaning: 'of these, passes that moved something: their share is the load' },
  parks: { meaning: 'rings that went idle' },
  wakeups: { meaning: 'rings that a kick brought back' },
  idleWakeups: {
    meaning: 'of these, rings that had nothing to do',
    action: "many: a guest's driver kicks without need",
  },
  sleeps: { meaning: 'times that the thread waited for something to do' },
  servedInKick: { meaning: 'kicks that were served where they arrived, while the worker slept on' },
  watchErrors: {
    meaning: 'descriptors that are not waited for any more, for an error',
    action: 'the log says which',
  },
};
