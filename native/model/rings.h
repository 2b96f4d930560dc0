// One ring for the model checker, host's and guest's side of the product's own code around a few slots and a CSB entry.
#pragma once

#include "datapath/flow.h"
#include "datapath/notify.h"
#include "guest-driver/core/loop.h"
#include "ring/kring.h"

namespace ptnet::model {

struct Ring {
  static constexpr uint32_t kSlots = 4;
  static constexpr uint32_t kBufBytes = 64;

  NetmapSlot slots[kSlots] = {};
  uint8_t bufs[(kSlots + kReservedBufs) * kBufBytes] = {};
  CsbAtok atok = {};
  CsbKtoa ktoa = {};
  RingCounters counters = {};
  Interrupt interrupt{nullptr};
  const int irq = eventfd(0, EFD_NONBLOCK);
  const int doorbell = eventfd(0, EFD_NONBLOCK);
  Kring k;

  explicit Ring(Dir dir) {
    for (uint32_t i = 0; i < kSlots; i++) slots[i] = {kReservedBufs + i, kBufBytes, 0, 0};
    Prepare(k);
    k.dir = dir;
    k.hwtail = dir == Dir::kTx ? kSlots - 1 : 0;
    Attach(k);
  }
  /// Drives a ring of a port.
  Ring(Kring& of_port, Dir dir) : Ring(dir) {
    of_port.hwcur = 0;
    of_port.hwtail = k.hwtail;
    of_port.blocked = false;
    Attach(of_port);
  }

  guest::Ring Guest() {
    guest::Ring g;
    g.slots = reinterpret_cast<guest::netmap_slot*>(slots);
    g.buffers = bufs;
    g.num_slots = kSlots;
    g.buf_size = kBufBytes;
    g.buf_count = kSlots + kReservedBufs;
    g.gh = reinterpret_cast<guest::CsbGuestToHost*>(&atok);
    g.hg = reinterpret_cast<guest::CsbHostToGuest*>(&ktoa);
    g.CopyState();
    return g;
  }

 private:
  void Prepare(Kring& ring) {
    ring.slots = slots;
    ring.buf_base = bufs;
    ring.num_slots = kSlots;
    ring.num_bufs = kSlots + kReservedBufs;
    ring.SetBufSize(kBufBytes);
  }
  void Attach(Kring& ring) {
    Prepare(ring);
    ring.counters = &counters;
    ring.atok = &atok;
    ring.ktoa = &ktoa;
    ring.interrupt = &interrupt;
    interrupt.signal_.store(irq, std::memory_order_relaxed);
    ktoa.hwtail = ring.hwtail;
  }
};

inline void Signal(int eventfd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(eventfd, &one, sizeof one);
}

/// False when the run is over.
inline bool Await(int eventfd) {
  pollfd entry = {eventfd, POLLIN, 0};
  if (!Wait(Eventfd(eventfd), [&] { return poll(&entry, 1, 0) == 1; })) return false;
  uint64_t count;
  return read(eventfd, &count, sizeof count) == sizeof count;
}

/// A worker, as a flow sees it under a policy that parks at once.
inline void Serve(Flow& flow, int doorbell) {
  for (;;) {
    if (flow.Poll(kRoundBudget).moved || flow.Arm()) continue;
    if (!Await(doorbell)) return;
    flow.Unblock();
    flow.Disarm();
  }
}

struct GuestKicker {
  Ring& ring;
  bool Kick(uint32_t) {
    Signal(ring.doorbell);
    return true;
  }
  std::string error() const { return {}; }
};

/// Sleeps until an interrupt of the ring comes; a run that is over stops the loop.
struct GuestWaiter {
  static constexpr uint64_t kClockEvery = 1;
  Ring& ring;
  guest::LoopControl& control;
  uint64_t taken = 0;

  void Spin(uint64_t) { Yield(); }
  bool CanSleep() { return true; }
  void Sleep(int64_t) {
    if (Await(ring.irq))
      taken++;
    else
      control.stop.store(true, std::memory_order_relaxed);
  }
  void Nap(int64_t) { Yield(); }
  uint64_t interrupts() { return taken; }
};

}  // namespace ptnet::model
