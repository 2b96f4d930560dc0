// An interrupt that a guest has overlooked is raised again, after a second and then ever more rarely, as long as there
// is something that it has not seen and asks to be told of; and one that was missed for want of an eventfd comes when
// there is one. What a guest has published without the kick that it was asked for is taken in the same way.
#include <sys/eventfd.h>

#include "forward/pipe.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

bool Take(int fd) {
  uint64_t count;
  return read(fd, &count, sizeof count) == sizeof count;
}

/// A guest at a null port, served here and now, and a clock of its own.
struct Scene {
  std::shared_ptr<Engine> engine = MakeEngine();
  NullRig rig{engine, 16, {.policy = Policy::kInline}, Source(10)};
  GuestRing& rx = rig.guest.rx();
  GuestRing& tx = rig.guest.tx();
  uint64_t now = 0;

  void Receive() {
    SourceConfig one = Source(1);
    rig.port->source(0).Configure(one);
    rig.guest.Sync(rx);
  }
  /// Seconds, of `seconds` looks, at which the ring's interrupt came.
  std::vector<int> Look(GuestRing& ring, int seconds) {
    std::vector<int> came;
    for (int i = 1; i <= seconds; i++) {
      engine->Tick(now += kSecond);
      if (Take(ring.irq)) came.push_back(i);
    }
    return came;
  }
  uint64_t reraised(GuestRing& ring) { return rig.port->kring(ring.index).counters->reraised; }
};

void AskFor(GuestRing& ring, bool asks) { ring.AskForInterrupt(asks); }

void AReceiverIsToldEverMoreRarely() {
  Scene s;
  CHECK_EQ(s.rx.Mine(), 10u);
  AskFor(s.rx, true);
  Take(s.rx.irq);
  const std::vector<int> want{2, 4, 8, 16, 31, 60, 118, 178, 238};
  CHECK(s.Look(s.rx, 250) == want);
  CHECK_EQ(s.reraised(s.rx), want.size());
  CHECK_EQ(s.rig.rx().interrupts, want.size());
  // It has woken up at last, and is as good as new after that.
  while (!s.rx.Take().empty()) continue;
  s.rx.Publish();
  CHECK(s.Look(s.rx, 100).empty());
  CHECK_EQ(s.reraised(s.rx), want.size());
}

void WhoDoesNotAskIsNotTold() {
  Scene s;
  AskFor(s.rx, false);
  CHECK(s.Look(s.rx, 100).empty());
  // Since when it asks is what counts.
  AskFor(s.rx, true);
  CHECK(s.Look(s.rx, 2) == std::vector<int>{2});
}

/// One that has seen all and keeps some slots is waiting for new ones.
void WhoHasSeenAllIsNotTold() {
  Scene s;
  AskFor(s.rx, true);
  s.rx.WriteCur(10);
  CHECK(s.Look(s.rx, 100).empty());
}

void WhoMovesIsNotTold() {
  Scene s;
  AskFor(s.rx, true);
  for (int i = 0; i < 5; i++) {
    CHECK(!s.rx.Take().empty());
    s.rx.Show();
    CHECK(s.Look(s.rx, 1).empty());
  }
  CHECK(s.Look(s.rx, 1) == std::vector<int>{1});
}

/// Each new packet has had its own interrupt.
void WhoWasJustToldIsNotTold() {
  Scene s;
  AskFor(s.rx, true);
  for (int i = 0; i < 5; i++) {
    s.Receive();
    CHECK(Take(s.rx.irq));
    CHECK(s.Look(s.rx, 1).empty());
  }
  CHECK(s.Look(s.rx, 1) == std::vector<int>{1});
}

void AMaskedVectorIsLeftAlone() {
  Scene s;
  AskFor(s.rx, true);
  CHECK_OK(s.rig.guest.attachment->SetInterrupts(1, {-1}));
  CHECK(s.Look(s.rx, 100).empty());
  CHECK_EQ(s.reraised(s.rx), 0u);
  CHECK_OK(s.rig.guest.attachment->SetInterrupts(1, {s.rx.irq}));
  CHECK(!Take(s.rx.irq));  // nothing was missed either
}

/// It waits for room, which is there.
void ASenderIsTold() {
  Scene s;
  while (s.tx.Put(Probe(0).data(), 60)) continue;
  s.tx.Show();
  AskFor(s.tx, true);
  CHECK(s.Look(s.tx, 100).empty());  // there is no room
  s.rig.guest.Sync(s.tx);
  CHECK(Take(s.tx.irq));
  CHECK(s.Look(s.tx, 10) == (std::vector<int>{2, 4, 8}));
}

/// Whoever is detached is not looked at; whoever comes is.
void NobodyIsToldWhoHasLeft() {
  Scene s;
  AskFor(s.rx, true);
  CHECK(s.Look(s.rx, 2) == std::vector<int>{2});
  s.rig.guest.Detach();
  CHECK(s.Look(s.rx, 100).empty());
  s.rig.Attach({.policy = Policy::kInline});
  AskFor(s.rig.guest.rx(), true);
  CHECK(s.Look(s.rig.guest.rx(), 2) == std::vector<int>{2});
}

void WhatWasMissedComes() {
  auto engine = MakeEngine(2);
  PipeRig rig(engine, 16, Served(Policy::kNotify), Served(Policy::kNotify, 1));
  GuestRing& rx = rig.b.rx();
  CHECK_OK(rig.b.attachment->SetInterrupts(1, {-1}));
  AskFor(rx, true);
  CHECK(rig.a.tx().Put(Probe(0).data(), 60));
  rig.a.tx().Publish();
  Eventually("a packet", [&] { return rx.Mine() == 1; });
  CHECK(!Take(rx.irq));
  CHECK_OK(rig.b.attachment->SetInterrupts(1, {rx.irq}));
  CHECK(Take(rx.irq));
  CHECK_OK(rig.b.attachment->SetInterrupts(1, {-1}));
  CHECK_OK(rig.b.attachment->SetInterrupts(1, {rx.irq}));
  CHECK(!Take(rx.irq));
}

/// The peer has not looked at its eventfd when it is replaced, or the vector masked.
void WhatWasNotSeenComesThroughTheNextOne() {
  Scene s;
  Take(s.rx.irq);
  AskFor(s.rx, true);
  s.Receive();
  Attachment& attachment = *s.rig.guest.attachment;
  CHECK_OK(attachment.SetInterrupts(1, {s.rx.other_irq}));
  CHECK(!Take(s.rx.irq));
  CHECK_OK(attachment.SetInterrupts(1, {-1}));
  CHECK(!Take(s.rx.other_irq));
  CHECK_OK(attachment.SetInterrupts(1, {s.rx.irq}));
  CHECK(Take(s.rx.irq));
  CHECK_OK(attachment.SetInterrupts(1, {s.rx.other_irq}));
  CHECK(!Take(s.rx.irq) && !Take(s.rx.other_irq));
}

/// A guest that publishes and does not kick, though it is asked to: its barrier was none.
struct Unkicked {
  std::shared_ptr<Engine> engine = MakeEngine();
  NullRig rig{engine, 16, Served(Policy::kNotify), {}};
  GuestRing& tx = rig.guest.tx();
  Worker& worker = engine->worker(0);
  uint64_t now = 0;

  uint64_t packets() { return rig.tx().packets; }
  /// What was kicked has been served, and is parked again: each call waits for the end of a round.
  void Parked() {
    for (int rounds = 0; rounds < 3; rounds++) worker.Call([] {});
    Eventually("a parked ring", [&] { return tx.HostWantsKick(); });
    worker.Call([] {});
  }
  /// Seconds, of `seconds` looks, at which the worker was told.
  std::vector<int> Look(int seconds) {
    std::vector<int> told;
    for (int i = 1; i <= seconds; i++) {
      const uint64_t before = worker.counters().wakeups;
      engine->Tick(now += kSecond);
      Parked();
      if (worker.counters().wakeups != before) told.push_back(i);
    }
    return told;
  }
};

void WhatWasNotKickedIsTaken() {
  Unkicked s;
  s.Parked();
  CHECK(s.Look(10).empty());
  for (uint64_t i = 1; i <= 3; i++) {
    CHECK(s.tx.Put(Probe(i).data(), 60));
    s.tx.Show();
    CHECK(s.Look(1).empty());
    CHECK_EQ(s.packets(), i - 1);
    CHECK(s.Look(2) == std::vector<int>{1});
    CHECK_EQ(s.packets(), i);
  }
}

/// The beginning of a packet stays where it is, and is looked at ever more rarely.
void WhatCannotBeTakenIsLeftAlone() {
  Unkicked s;
  s.Parked();
  CHECK(s.tx.Put(Probe(1).data(), 60));
  s.tx.slots[0].flags |= NS_MOREFRAG;
  s.tx.Show();
  CHECK(s.Look(20) == (std::vector<int>{2, 4, 8, 16}));
  CHECK_EQ(s.packets(), 0u);
  // Nor does it bring a ring back that was stopped for its index.
  s.tx.WriteHead(999);
  s.engine->Kick(s.rig.port->flow(s.tx.index));
  s.Parked();
  const uint64_t bad = s.rig.tx().bad_index;
  CHECK(bad > 0);
  CHECK(s.Look(20).empty());
  CHECK_EQ(s.rig.tx().bad_index, bad);
}

void WhatIsNoEventfdIsRefused() {
  Scene s;
  const std::vector<int> bad{s.rx.irq, s.rig.guest.fd()};
  CHECK_EQ(s.rig.guest.attachment->SetInterrupts(0, bad).err, EBADF);
  CHECK_EQ(s.rig.guest.attachment->SetDoorbells(bad).err, EBADF);
}

}  // namespace

int main() {
  AReceiverIsToldEverMoreRarely();
  WhoDoesNotAskIsNotTold();
  WhoHasSeenAllIsNotTold();
  WhoMovesIsNotTold();
  WhoWasJustToldIsNotTold();
  AMaskedVectorIsLeftAlone();
  ASenderIsTold();
  NobodyIsToldWhoHasLeft();
  WhatWasMissedComes();
  WhatWasNotSeenComesThroughTheNextOne();
  WhatWasNotKickedIsTaken();
  WhatCannotBeTakenIsLeftAlone();
  WhatIsNoEventfdIsRefused();
}
