// The engine with its threads: under every policy packets pass whole and in order and no wakeup is lost, idle flows
// park, paced sources sleep, workers run on the CPUs that they are given, and what cannot be is refused.
#include <errno.h>
#include <sched.h>

#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint64_t kPackets = 1000;

void TheSinkTakesEverything(std::shared_ptr<Engine> engine, Policy policy, uint32_t slots, Random& random) {
  NullRig rig(engine, slots, Served(policy, engine->workers() - 1));
  Send(rig.guest.tx(), 0, kPackets, random.Split());
  Drain(rig.guest.tx());
  rig.CheckSink(kPackets);
}

void TheSourceBringsEverything(std::shared_ptr<Engine> engine, Policy policy, uint32_t slots, Random& random) {
  NullRig rig(engine, slots, Served(policy, engine->workers() - 1), Source(kPackets));
  Receiver receiver;
  Receive(rig.guest.rx(), receiver, kPackets, random.Split());
  CHECK_EQ(receiver.packets, kPackets);
  receiver.CheckClean();
}

void APipePassesEverything(std::shared_ptr<Engine> engine, Policy policy, uint32_t slots, Random& random) {
  PipeRig rig(engine, slots, Served(policy), Served(policy, engine->workers() - 1));
  std::thread sender([&, r = random.Split()]() mutable { Send(rig.a.tx(), 0, kPackets, r); });
  Receiver receiver;
  Receive(rig.b.rx(), receiver, kPackets, random.Split());
  receiver.CheckClean();
  sender.join();
  Drain(rig.a.tx());
  CHECK_EQ(receiver.packets, kPackets);
}

void BothWaysOverAPipe(std::shared_ptr<Engine> engine, Policy policy, uint32_t slots, Random& random) {
  PipeRig rig(engine, slots, Served(policy), Served(policy));
  std::thread answerer([&, r = random.Split()]() mutable { Answer(rig.b, kPackets, r, {1}); });
  Ask(rig.a, kPackets, random.Split(), {0});
  answerer.join();
}

/// Every packet fits where it goes, so VALE drops none.
void BothWaysOverVale(std::shared_ptr<Engine> engine, Policy policy, uint32_t slots, Random& random) {
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig a(engine, sw, slots, Served(policy)), b(engine, sw, slots, Served(policy, engine->workers() - 1));
  std::thread answerer([&, r = random.Split()]() mutable { Answer(b.guest, kPackets, r, {1, 1, 2}); });
  Ask(a.guest, kPackets, random.Split(), {0, 2, 1});
  answerer.join();
  CHECK_EQ(a.rx_drops() + b.rx_drops(), 0u);
}

void EveryPolicy(Random& random) {
  for (uint32_t workers : {1u, 2u}) {
    auto engine = MakeEngine(workers);
    for (Policy policy : kPolicies) {
      for (uint32_t slots : {2u, 8u, 16u}) {
        TheSinkTakesEverything(engine, policy, slots, random);
        TheSourceBringsEverything(engine, policy, slots, random);
        APipePassesEverything(engine, policy, slots, random);
        BothWaysOverAPipe(engine, policy, slots, random);
        BothWaysOverVale(engine, policy, slots, random);
      }
    }
  }
}

void Pause(uint32_t n) {
  while (n-- > 0) CpuRelax();
}

/// The kick comes just when the worker goes to sleep, the interrupt just when the guest does.
void NobodySleepsThroughAWakeup(Random& random) {
  for (Policy policy : kPolicies) {
    auto engine = MakeEngine();
    NullRig rig(engine, 2, {policy, 0, 0});
    GuestRing& ring = rig.guest.tx();
    for (uint64_t seq = 0; seq < 15'000; seq++) {
      PutProbe(ring, seq, random);
      ring.Publish();
      Pause(random.Below(48));
      if (random.OneIn(2)) Drain(ring);
      while (!ring.Drained()) sched_yield();
      Pause(random.Below(48));
    }
    rig.CheckSink(15'000);
  }
}

/// Everything is taken and the host asks for a kick. The flag alone may be one that it clears at once.
bool Parked(GuestRing& ring) { return ring.Drained() && ring.HostWantsKick(); }

/// True when the worker does nothing: it makes no round while others get to run many times.
bool Rests(Engine& engine) {
  uint64_t rounds = engine.worker(0).counters().rounds;
  usleep(2000);
  return engine.worker(0).counters().rounds == rounds;
}

void IdleFlowsPark(Random& random) {
  for (Policy policy : {Policy::kAdaptive, Policy::kNotify}) {
    auto engine = MakeEngine();
    NullRig rig(engine, 16, Served(policy));
    for (uint64_t round = 0; round < 20; round++) {
      Send(rig.guest.tx(), 10 * round, 10 * round + 10, random.Split());
      Eventually("a parked flow", [&] { return Parked(rig.guest.tx()); });
      Eventually("a worker at rest", [&] { return Rests(*engine); });
    }
    rig.CheckSink(200);
    CHECK(engine->worker(0).counters().parks.load() >= 20);
  }
}

/// A ring that is idle for longer than it is worth to poll for stays polled while another one of its device is busy.
/// @return whether that could be seen: not when this thread got no CPU for so long that none was busy.
bool RingsOfADeviceParkTogether() {
  constexpr uint64_t kSpinNs = 200'000'000;
  auto engine = MakeEngine();
  auto stats = MakeStats();
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(MakeRegion(), stats, {"null:t", 2, 1, 16, 16, 0}, &port));
  Guest guest;
  guest.Attach(engine, *port, {Policy::kAdaptive, kSpinNs, 0});
  GuestRing &busy = guest.tx(0), &idle = guest.tx(1);
  uint64_t last = NowNs(), longest = 0;
  for (uint64_t start = last, seq = 0; NowNs() - start < 3 * kSpinNs; seq++) {
    CHECK(busy.Put(Probe(seq).data(), 60));
    busy.Publish();
    Eventually("a packet taken", [&] { return busy.Drained(); });
    const bool parked = idle.HostWantsKick();
    const uint64_t now = NowNs();
    longest = std::max(longest, now - std::exchange(last, now));
    if (!parked) continue;
    CHECK(longest > kSpinNs / 2);
    return false;
  }
  Eventually("both parked", [&] { return Parked(busy) && Parked(idle); });
  return true;
}

/// A flow parks alone: its neighbour on the worker is served on, without asking for kicks.
void PollingFlowsDoNotPark(Random& random) {
  auto engine = MakeEngine();
  NullRig polled(engine, 16, Served(Policy::kPoll)), parked(engine, 16, Served(Policy::kNotify));
  Send(polled.guest.tx(), 0, 50, random.Split());
  Send(parked.guest.tx(), 0, 50, random.Split());
  Eventually("a parked flow", [&] { return Parked(parked.guest.tx()); });
  uint64_t rounds = engine->worker(0).counters().rounds, sleeps = engine->worker(0).counters().sleeps;
  Eventually("more rounds", [&] { return engine->worker(0).counters().rounds > rounds + 1000; });
  CHECK_EQ(engine->worker(0).counters().sleeps.load(), sleeps);
  CHECK(!polled.guest.tx().HostWantsKick());
  CHECK_EQ(polled.tx().kicks, 0u);
  polled.CheckSink(50);
  parked.CheckSink(50);
}

/// While its ring is polled a guest need not kick, however often it parked before.
void APolledFlowWantsNoKicks(Random& random) {
  auto engine = MakeEngine();
  NullRig rig(engine, 16, Served(Policy::kNotify));
  for (uint64_t round = 0; round < 20; round++) {
    CHECK_OK(rig.guest.attachment->SetPolicy(Served(Policy::kNotify)));
    Eventually("a parked flow", [&] { return Parked(rig.guest.tx()); });
    CHECK_OK(rig.guest.attachment->SetPolicy(Served(Policy::kPoll)));
    CHECK(!rig.guest.tx().HostWantsKick());
    Send(rig.guest.tx(), 20 * round, 20 * round + 20, random.Split());
    Drain(rig.guest.tx());
  }
  CHECK_EQ(rig.tx().kicks, 0u);
  rig.CheckSink(400);
}

/// Whether the worker slept while its source's 100 packets were due, one each half a millisecond.
bool SleepsBetweenPackets(Policy policy, Random& random) {
  auto engine = MakeEngine();
  NullRig rig(engine, 16, Served(policy), Source(100, 2000));
  const WorkerCounters& counters = engine->worker(0).counters();
  Receiver receiver;
  Receive(rig.guest.rx(), receiver, 1, random.Split());
  uint64_t sleeps = counters.sleeps;
  Receive(rig.guest.rx(), receiver, 100, random.Split());
  bool slept = counters.sleeps > sleeps;
  engine->Synchronize();
  CHECK_EQ(rig.rx().packets, 100u);
  CHECK_EQ(receiver.packets, 100u);
  receiver.CheckClean();
  return slept;
}

/// A worker that gets no CPU for all that time has nothing to wait for: it is tried again.
void PacedSourcesSleep(Random& random) {
  for (Policy policy : kPolicies) {
    if (policy == Policy::kPoll)
      CHECK(!SleepsBetweenPackets(policy, random));
    else
      Eventually("a worker that sleeps", [&] { return SleepsBetweenPackets(policy, random); });
  }
}

/// A source that is behind its pace waits for room, not for the time that has passed.
void APacedSourceWithoutRoomParks(Random& random) {
  for (Policy policy : {Policy::kAdaptive, Policy::kNotify}) {
    auto engine = MakeEngine();
    NullRig rig(engine, 8, Served(policy), Source(200, 100'000));
    Receiver receiver;
    for (int round = 0; round < 10; round++) {
      Eventually("a full ring", [&] { return rig.guest.rx().Mine() == 7; });
      Eventually("a parked flow", [&] { return rig.guest.rx().HostWantsKick(); });
      Eventually("a worker at rest", [&] { return Rests(*engine); });
      receiver.Take(rig.guest.rx());
      rig.guest.rx().Publish();
    }
    Receive(rig.guest.rx(), receiver, 200, random.Split());
    receiver.CheckClean();
  }
}

void APacedSourceWithABadIndexParks() {
  auto engine = MakeEngine();
  NullRig rig(engine, 8, Served(Policy::kAdaptive), Source(SourceConfig::kUnlimited, 1'000'000));
  rig.guest.rx().WriteHead(9);
  rig.guest.rx().Kick();  // the ring may be full, and the flow parked for that, already
  std::atomic_ref<uint64_t> bad_index(rig.rx().bad_index);
  Eventually("a bad index", [&] { return bad_index.load() > 0; });
  Eventually("a parked flow", [&] { return rig.guest.rx().HostWantsKick(); });
  Eventually("a worker at rest", [&] { return Rests(*engine); });
}

void ABadIndexIsMendedWithAKickUnderEveryPolicy() {
  for (Policy policy : {Policy::kPoll, Policy::kAdaptive, Policy::kNotify}) {
    auto engine = MakeEngine();
    NullRig rig(engine, 8, Served(policy));
    GuestRing& tx = rig.guest.tx();
    std::atomic_ref<uint64_t> packets(rig.tx().packets);
    const uint32_t good = tx.head;
    tx.WriteHead(99u);
    tx.Kick();
    std::atomic_ref<uint64_t> bad_index(rig.tx().bad_index);
    // Twice when the worker saw it before the kick came.
    Eventually("a bad index", [&] { return bad_index.load() > 0; });
    Eventually("a ring that wants a kick", [&] { return tx.HostWantsKick(); });
    tx.WriteHead(good);
    CHECK(tx.Put(Probe(0).data(), 60));
    tx.Publish();  // kicks, because the ring says so
    Eventually("the packet", [&] { return packets.load() == 1; });
  }
}

CpuList Affinity() {
  cpu_set_t set;
  CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  CpuList cpus;
  for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

void WorkersRunWhereTheyMay() {
  cpu_set_t before;
  CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  const CpuList all = Affinity();
  const CpuList first{all.front()}, last{all.back()};
  // The scheduler's choice is told from all CPUs by a caller that may not run on all of them.
  cpu_set_t narrow;
  CPU_ZERO(&narrow);
  CPU_SET(first[0], &narrow);
  CHECK_EQ(sched_setaffinity(0, sizeof narrow, &narrow), 0);
  std::shared_ptr<Engine> engine;
  CHECK_OK(Engine::Create({CpuList{}, last, all}, &engine));
  CHECK_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  for (uint32_t i = 0; const CpuList& want : {first, last, all}) {
    CpuList have;
    engine->worker(i++).Call([&] { have = Affinity(); });
    CHECK(have == want);
  }
}

void WhatCannotBeIsRefused() {
  std::shared_ptr<Engine> none;
  CHECK_EQ(Engine::Create({{}, {kCpusMax - 1}}, &none).err, EINVAL);
  auto engine = MakeEngine(2);
  PipeRig rig(engine, 8, Served(Policy::kPoll), Served(Policy::kNotify));
  Guest other;
  CHECK_EQ(other.TryAttach(engine, rig.pair->master(), Served(Policy::kPoll)).err, EBUSY);
  rig.b.Detach();
  CHECK_EQ(other.TryAttach(engine, rig.pair->slave(), Served(Policy::kPoll, 2)).err, EINVAL);
  CHECK_EQ(other.TryAttach(engine, rig.pair->slave(), {.policy = Policy::kInline}).err, EINVAL);
  CHECK_EQ(rig.a.attachment->SetPolicy(Served(Policy::kPoll, 2)).err, EINVAL);
  CHECK_EQ(rig.a.attachment->SetPolicy({.policy = Policy::kInline}).err, EINVAL);
  CHECK_EQ(rig.a.attachment->SetInterrupts(1, {-1, -1}).err, EINVAL);
  CHECK_EQ(rig.a.attachment->SetDoorbells({-1}).err, EINVAL);
  rig.a.Detach();
  CHECK(!rig.pair->master().attached);
  rig.a.Attach(engine, rig.pair->master());
  CHECK_EQ(other.TryAttach(engine, rig.pair->slave(), Served(Policy::kPoll)).err, EINVAL);
  CHECK_EQ(rig.a.attachment->SetPolicy(Served(Policy::kPoll)).err, EINVAL);
  // What was refused left nothing behind.
  rig.a.Detach();
  rig.AttachA(Served(Policy::kNotify));
  rig.AttachB(Served(Policy::kNotify));
}

}  // namespace

int main() {
  Random random("engine");
  EveryPolicy(random);
  NobodySleepsThroughAWakeup(random);
  IdleFlowsPark(random);
  APolledFlowWantsNoKicks(random);
  Eventually("rings that stay polled", RingsOfADeviceParkTogether);
  PollingFlowsDoNotPark(random);
  PacedSourcesSleep(random);
  APacedSourceWithoutRoomParks(random);
  APacedSourceWithABadIndexParks();
  ABadIndexIsMendedWithAKickUnderEveryPolicy();
  WorkersRunWhereTheyMay();
  WhatCannotBeIsRefused();
}
