// Kicks that find nothing to do: they are counted, and who has no slots to announce is not asked for any.
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr AttachOptions kNotify{.policy = Policy::kNotify, .spin_ns = 0, .worker = 0};
constexpr AttachOptions kAdaptive{.policy = Policy::kAdaptive, .spin_ns = 100'000, .worker = 0};

void AreCounted() {
  auto engine = MakeEngine();
  NullRig rig(engine, 16, kNotify);
  GuestRing& tx = rig.guest.tx();
  const WorkerCounters& counters = engine->worker(0).counters();
  for (int i = 0; i < 20; i++) {
    Eventually("a parked flow", [&] { return tx.HostWantsKick(); });
    const uint64_t before = counters.idle_wakeups;
    tx.Kick();
    Eventually("a kick that found nothing", [&] { return counters.idle_wakeups > before; });
  }
  const uint64_t before = counters.idle_wakeups;
  for (uint64_t seq = 0; seq < 20; seq++) {
    Eventually("a parked flow", [&] { return tx.HostWantsKick(); });
    CHECK(tx.Put(Probe(seq).data(), 60));
    tx.Publish();
    Eventually("a packet taken", [&] { return tx.Drained(); });
  }
  engine->Synchronize();
  CHECK_EQ(counters.idle_wakeups.load(), before);
  rig.CheckSink(20);
}

/// A sender that looks for room in a full pipe, and a receiver that looks for packets in an empty one, kick whenever
/// the host wants it: it does not, until they can have something for it.
void AreNotAskedFor(AttachOptions options) {
  auto engine = MakeEngine();
  PipeRig rig(engine, 16, options, options);
  GuestRing &tx = rig.a.tx(), &rx = rig.b.rx();
  const auto look = [](GuestRing& ring) {
    for (int i = 0; i < 100; i++, usleep(10)) CHECK(!ring.HostWantsKick());
  };
  for (uint64_t seq = 0; seq < 15 * 20;) {
    // Parked: what follows was asked for since.
    Eventually("a sender who is to kick", [&] { return tx.HostWantsKick(); });
    look(rx);
    for (int i = 0; i < 15; i++) CHECK(tx.Put(Probe(seq + static_cast<uint64_t>(i)).data(), 60));
    tx.Publish();
    Eventually("a receiver who is to kick", [&] { return rx.HostWantsKick(); });
    CHECK_EQ(rx.Mine(), 15u);
    CHECK_EQ(tx.Mine(), 0u);
    look(tx);
    // One slot is reason enough for both.
    CHECK(rx.Take() == Probe(seq++));
    rx.Publish();
    Eventually("room", [&] { return tx.Mine() == 1; });
    Eventually("both to kick", [&] { return tx.HostWantsKick() && rx.HostWantsKick(); });
    for (int i = 1; i < 15; i++) CHECK(rx.Take() == Probe(seq++));
    rx.Publish();
    Eventually("an empty pipe", [&] { return tx.Mine() == 15; });
  }
}

/// The same, each step looked at: and a ring that has stopped is waited for, whatever the room.
void AreAskedForBySlots() {
  constexpr AttachOptions kInline{.policy = Policy::kInline, .spin_ns = 0, .worker = 0};
  PipeRig rig(MakeEngine(), 64, kInline, kInline);
  GuestRing &tx = rig.a.tx(), &rx = rig.b.rx();
  const auto wanted = [&] { return (tx.HostWantsKick() ? 10 : 0) + (rx.HostWantsKick() ? 1 : 0); };
  const auto send = [&](uint64_t seq) {
    CHECK(tx.Put(Probe(seq).data(), 60));
    tx.Show();
    rig.a.Sync(tx);
  };
  rig.a.Sync(tx);
  CHECK_EQ(wanted(), 10);
  for (uint64_t seq = 0; seq < 63; seq++) {
    send(seq);
    CHECK_EQ(wanted(), seq < 62 ? 11 : 1);
  }
  for (uint64_t seq = 0; seq < 63; seq++) {
    CHECK(rx.Take() == Probe(seq));
    rx.Show();
    rig.b.Sync(rx);
    CHECK_EQ(wanted(), seq < 62 ? 11 : 10);
  }
  for (uint64_t seq = 0; seq < 63; seq++) send(seq);
  tx.WriteHead(UINT32_MAX);
  rig.a.Sync(tx);
  CHECK_EQ(wanted(), 11);
}

}  // namespace

int main() {
  AreCounted();
  AreNotAskedFor(kNotify);
  AreNotAskedFor(kAdaptive);
  AreAskedForBySlots();
}
