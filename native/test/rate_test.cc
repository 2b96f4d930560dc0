// Limits of ports: how long what is sent takes at least, on every kind of port and in both directions; others are not
// held up; on a switch what is too much for a receiver, or makes a storm, is dropped and counted.
#include <errno.h>

#include "forward/echo.h"
#include "forward/monitor.h"
#include "traffic.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

// 8 MB/s in bursts of 64 KiB: what is sent below takes some tens of milliseconds.
constexpr Rate kRate{.per_second = 8e6, .burst = 65'536};
constexpr uint32_t kLen = 1000;
constexpr uint64_t kPackets = 500;
// What one poll may take beyond what there was: half of a burst in packets of a slot of 2048 bytes, and one.
constexpr uint64_t kBeyond = kRate.burst;

constexpr PortLimits kTx{.tx = kRate};
constexpr PortLimits kRx{.rx = kRate};

/// Measures what must take its time: no clock is so fast, nor a machine.
class Watchful {
 public:
  void Passed(uint64_t bytes) const {
    const double seconds = static_cast<double>(NowNs() - begin_) / 1e9;
    CHECK(static_cast<double>(bytes) <= static_cast<double>(kRate.burst + kBeyond) + seconds * kRate.per_second);
  }

 private:
  const uint64_t begin_ = NowNs();
};

void SendAll(GuestRing& tx, uint64_t packets = kPackets, Stream stream = {}) {
  for (uint64_t seq = 0; seq < packets; seq++) {
    if (tx.Mine() == 0) {
      tx.Publish();
      tx.Await();
    }
    CHECK(tx.Put(Probe(seq, kLen, stream.number, stream.dst, stream.src)));
  }
  tx.Publish();
  Drain(tx);
}

void ReceiveAll(GuestRing& rx, uint64_t packets = kPackets) {
  Receiver receiver;
  while (receiver.packets < packets) {
    rx.Await();
    receiver.Take(rx);
    rx.Publish();
  }
  receiver.CheckClean();
}

/// @return whether the worker waited in its sleep: not when a guest that gets no CPU is slower than its rate.
bool ASinkIsSentNoMore(Policy policy) {
  NullRig rig(MakeEngine(), 64, Served(policy));
  rig.guest.Detach();
  CHECK_OK(rig.port->Limit(kTx));
  rig.Attach(Served(policy));
  const WorkerCounters& worker = rig.engine->worker(0).counters();
  const uint64_t sleeps = worker.sleeps;
  Watchful time;
  SendAll(rig.guest.tx());
  time.Passed(kPackets * kLen);
  rig.CheckSink(kPackets);
  return worker.sleeps > sleeps + 5;
}

void ASourceSendsNoMore() {
  NullRig rig(MakeEngine(), 64, Served(Policy::kNotify));
  rig.guest.Detach();
  CHECK_OK(rig.port->Limit(kRx));
  SourceConfig source = Source(kPackets);
  source.size = kLen;
  rig.port->source(0).Configure(source);
  Watchful time;
  rig.Attach(Served(Policy::kAdaptive));
  ReceiveAll(rig.guest.rx());
  time.Passed(kPackets * kLen);
}

/// The sender's limit, the receiver's, or both: one flow serves both ends.
void APipePassesNoMore(const PortLimits& master, const PortLimits& slave) {
  auto engine = MakeEngine();
  PipeRig rig(engine, 64, Served(Policy::kAdaptive), Served(Policy::kAdaptive));
  rig.a.Detach(), rig.b.Detach();
  CHECK_OK(rig.pair->master().Limit(master));
  CHECK_OK(rig.pair->slave().Limit(slave));
  Watchful time;
  rig.AttachA(Served(Policy::kAdaptive)), rig.AttachB(Served(Policy::kAdaptive));
  std::thread receiver([&] { ReceiveAll(rig.b.rx()); });
  SendAll(rig.a.tx());
  receiver.join();
  time.Passed(kPackets * kLen);
  CHECK_EQ(rig.pair->slave().rx(0).counters->packets, kPackets);
}

void AnEchoComesBackNoFaster(const PortLimits& limits) {
  auto engine = MakeEngine();
  auto stats = MakeStats();
  std::shared_ptr<EchoPort> port;
  CHECK_OK(EchoPort::Create(MakeRegion(), stats, {"echo:t", 1, 1, 64, 64, 0}, &port));
  CHECK_OK(port->Limit(limits));
  Guest guest;
  Watchful time;
  guest.Attach(engine, *port, Served(Policy::kNotify));
  guest.EnableInterrupts();
  std::thread receiver([&] {
    for (uint64_t got = 0; got < kPackets;) {
      guest.rx().Await();
      while (guest.rx().Mine() > 0) CHECK_EQ(guest.rx().Take().size(), kLen), got++;
      guest.rx().Publish();
    }
  });
  SendAll(guest.tx());
  receiver.join();
  time.Passed(kPackets * kLen);
}

/// While packets flow and are held back: the limit comes, becomes another one, and goes; what waited for its time then
/// does not wait for that.
void LimitsChangeInTraffic() {
  auto engine = MakeEngine();
  PipeRig rig(engine, 64, Served(Policy::kAdaptive), Served(Policy::kAdaptive));
  constexpr Rate kStill{.per_second = 1, .burst = 1000};
  std::thread receiver([&] { ReceiveAll(rig.b.rx(), 20 * kPackets); });
  std::thread sender([&] { SendAll(rig.a.tx(), 20 * kPackets); });
  for (int i = 0; i < 200; i++) {
    CHECK_OK(rig.pair->master().Limit({.tx = i % 3 == 0 ? kStill : i % 3 == 1 ? kRate : Rate{}}, engine.get()));
    CHECK_OK(rig.pair->slave().Limit({.rx = i % 2 == 0 ? kStill : Rate{}}, engine.get()));
  }
  // With both it stands still for hours.
  CHECK_OK(rig.pair->master().Limit({.tx = kStill}, engine.get()));
  CHECK_OK(rig.pair->slave().Limit({}, engine.get()));
  CHECK_OK(rig.pair->master().Limit({}, engine.get()));
  sender.join();
  receiver.join();
}

/// Those of a switch, which senders use at that moment.
void LimitsOfMembersChangeInTraffic() {
  auto engine = MakeEngine();
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig from(engine, sw, 64, Served(Policy::kAdaptive)), to(engine, sw, 64, Served(Policy::kAdaptive));
  std::atomic<bool> done{false};
  std::thread sender([&] {
    SendAll(from.guest.tx(), 20'000, {1, 0xff, 2});
    done = true;
  });
  for (int i = 0; !done; i++) {
    const Rate some{.per_second = 1000, .burst = 10'000};
    CHECK_OK(to.port->Limit({.rx = i % 2 == 0 ? some : Rate{}}, engine.get()));
    CHECK_OK(from.port->Limit({.broadcast = i % 2 == 0 ? some : Rate{}}, engine.get()));
  }
  sender.join();
  engine->Synchronize();
  CHECK_EQ(from.tx().packets, 20'000u);
}

/// A port that is retired gives all that it had back, and nobody attaches to it any more; not while somebody drives it.
void ARetiredPortLeavesNothing() {
  auto engine = MakeEngine();
  auto stats = MakeStats();
  auto region = MakeRegion();
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  const uint32_t free = region->bufs().available(), blocks = stats->available();
  std::shared_ptr<ValePort> port;
  CHECK_OK(ValePort::Create(region, stats, {"vale0:1", 1, 1, 64, 64, 0}, sw, &port));
  {
    Guest guest;
    guest.Attach(engine, *port, Served(Policy::kNotify));
    CHECK_EQ(port->Retire().err, EBUSY);
    guest.Detach();
    port->Leave();
    CHECK_OK(port->Retire());
    CHECK_OK(port->Retire());
    CHECK_EQ(region->bufs().available(), free);
    CHECK_EQ(stats->available(), blocks);
  }
  std::shared_ptr<PipePair> pair;
  CHECK_OK(PipePair::Create(region, stats, {"p{1", 1, 1, 64, 64, 0}, "p}1", &pair));
  Guest end;
  end.Attach(engine, pair->slave(), Served(Policy::kNotify));
  CHECK_EQ(pair->master().Retire().err, EBUSY);  // whose rings the other end's flows touch
  end.Detach();
  CHECK_OK(pair->slave().Retire());
  CHECK_OK(pair->master().Retire());
  CHECK_EQ(region->bufs().available(), free);
}

/// A sender that is held back, and one on the same worker that is not: the second is through before the first.
void OthersAreNotHeldUp() {
  auto engine = MakeEngine();
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig held(engine, sw, 64, Served(Policy::kAdaptive)), fast(engine, sw, 64, Served(Policy::kAdaptive)),
      sink(engine, sw, 64, Served(Policy::kAdaptive));
  held.guest.Detach();
  CHECK_OK(held.port->Limit({.tx = {.per_second = 1000, .burst = 2000}}));
  held.guest.Attach(engine, *held.port, Served(Policy::kAdaptive));
  held.guest.EnableInterrupts();
  for (uint64_t seq = 0; seq < 60; seq++) CHECK(held.guest.tx().Put(Probe(seq, kLen, 0, 0xff, 1)));
  held.guest.tx().Publish();
  // For nobody who reads: dropped as full, but sent.
  SendAll(fast.guest.tx(), 5'000, {1, 0xff, 2});
  engine->Synchronize();
  CHECK_EQ(fast.tx().packets, 5'000u);
  // Two at once, one for each second that has passed.
  CHECK(held.tx().packets < 60);
  // The driver goes away: what is held back is not sent for that.
  held.guest.Detach();
  CHECK(held.tx().packets < 60);
}

constexpr uint64_t kNoTime = 4;  // bytes a second: what was let through once

/// A receiver's limit: the others get everything, it gets what its bucket holds; the rest is counted there.
void ASwitchDropsWhatIsTooMuch() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  CHECK_OK(net[1].port->Limit({.rx = {kNoTime, 10'000}}));
  net[1].Send(Frame(0xff, 1)), net[2].Send(Frame(0xff, 2));
  for (int i = 0; i < 3; i++)
    while (!net[i].Nothing()) net[i].Take();
  // 60 bytes have come with what station 2 sent. Ten frames more fit, and one that is longer than what is left.
  auto send = [&](uint8_t to, uint32_t tag) { net[0].Send(Frame(to, 0, 1000, tag)); };
  for (uint32_t i = 0; i < 10; i++) send(1, i);
  for (uint32_t i = 0; i < 10; i++) CHECK(net[1].Got(Frame(1, 0, 1000, i)));
  for (uint32_t i = 0; i < 7; i++) send(i % 2 == 0 ? 0xff : 1, i);
  CHECK(net[1].Nothing());
  CHECK_EQ(net[1].rx_drops(Drop::kRate), 7u);
  CHECK_EQ(net[1].rx().packets, 11u);
  for (uint32_t i = 0; i < 7; i += 2) CHECK(net[2].Got(Frame(0xff, 0, 1000, i)));
  CHECK(net[2].Nothing());
  // Nor is its sender told of it, or held up.
  CHECK_EQ(net[0].tx().packets, 17u);
  CHECK_EQ(net[2].rx_drops(Drop::kRate), 0u);
}

/// In one batch, for it alone and for all by turns: the first ones are let through, in order.
void OfABatchTheFirstOnesPass(Random& random) {
  for (int round = 0; round < 40; round++) {
    Net net;
    for (int i = 0; i < 3; i++) net.Add();
    net[1].Send(Frame(0xff, 1)), net[0].Take(), net[2].Take();
    const uint64_t most = 1 + random.Below(20'000);
    CHECK_OK(net[1].port->Limit({.rx = {kNoTime, most}}));
    std::vector<std::vector<uint8_t>> sent;
    const uint32_t packets = 1 + random.Below(40);
    for (uint32_t i = 0; i < packets; i++) {
      sent.push_back(Frame(random.OneIn(3) ? 0xff : random.OneIn(8) ? 9 : 1, 0, 28 + random.Below(1400), i));
      CHECK(net[0].guest.tx().Put(sent.back(), random.OneIn(5) ? 2 : 1));
    }
    net[0].Serve();
    uint64_t bytes = 0, dropped = 0;
    for (const auto& frame : sent) {
      if (bytes >= most) {
        dropped++;
        continue;
      }
      CHECK(net[1].Got(frame));
      bytes += frame.size();
    }
    CHECK(net[1].Nothing());
    CHECK_EQ(net[1].rx_drops(Drop::kRate), dropped);
    for (const auto& frame : sent)
      if (frame[0] == 0xff || frame[5] == 9) CHECK(net[2].Got(frame));
    CHECK(net[2].Nothing());
  }
}

void StormsAreCutAtTheirSender() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  net[1].Send(Frame(0xff, 1)), net[0].Take(), net[2].Take();
  constexpr double kSlow = 0.001;
  CHECK_OK(net[0].port->Limit({.broadcast = {kSlow, 3}, .multicast = {kSlow, 2}, .unknown_unicast = {kSlow, 4}}));
  auto multicast = [](uint32_t tag) {
    auto frame = Frame(9, 0, 60, tag);
    frame[0] = 0x33, frame[1] = 0x33;
    return frame;
  };
  for (uint32_t i = 0; i < 10; i++) {
    net[0].Send(Frame(0xff, 0, 60, i));
    net[0].Send(multicast(i));
    net[0].Send(Frame(9, 0, 60, i));  // known to nobody
    net[0].Send(Frame(1, 0, 60, i));  // known: no storm
  }
  CHECK_EQ(net[0].tx_drops(Drop::kStorm), 7u + 8 + 6);
  CHECK_EQ(net[0].tx_drops(Drop::kNoDestination), 0u);
  for (uint32_t i = 0; i < 10; i++)
    for (size_t to : {1, 2}) {
      if (i < 3) CHECK(net[to].Got(Frame(0xff, 0, 60, i)));
      if (i < 2) CHECK(net[to].Got(multicast(i)));
      if (i < 4) CHECK(net[to].Got(Frame(9, 0, 60, i)));
      if (to == 1) CHECK(net[to].Got(Frame(1, 0, 60, i)));
    }
  CHECK(net[1].Nothing() && net[2].Nothing());
  // Who is without it makes what storms he likes.
  for (uint32_t i = 0; i < 10; i++) net[2].Send(Frame(0xff, 2, 60, i));
  for (uint32_t i = 0; i < 10; i++) CHECK(net[1].Got(Frame(0xff, 2, 60, i)));
}

void WhatCannotBeIsRefused() {
  auto engine = MakeEngine();
  auto stats = MakeStats();
  std::shared_ptr<EchoPort> port;
  CHECK_OK(EchoPort::Create(MakeRegion(), stats, {"echo:t", 1, 1, 64, 64, 0}, &port));
  CHECK_EQ(port->Limit({.broadcast = {1, 1}}).err, EINVAL);
  CHECK_OK(port->Limit(kTx));
  Guest guest;
  CHECK_EQ(guest.TryAttach(engine, *port, {.policy = Policy::kInline}).err, EINVAL);
}

/// What a monitor brings nobody holds back: it never comes later than it passed.
void AMonitorHasNoRate() {
  NullRig rig(MakeEngine(), 16, {.policy = Policy::kInline});
  std::shared_ptr<MonitorPort> monitor;
  CHECK_OK(MonitorPort::Create(MakeRegion(9), MakeStats(), {"x/rt", 1, 1, 8, 8, 0}, rig.engine, {rig.port, nullptr},
                               {.tx = true, .rx = true}, &monitor));
  for (Engine* serving : {rig.engine.get(), static_cast<Engine*>(nullptr)})
    for (const PortLimits& limits : {kRx, PortLimits{.tx = kRate, .rx = kRate}}) {
      const Status s = monitor->Limit(limits, serving);
      CHECK_EQ(s.err, EINVAL);
      CHECK(s.message ==
            "x/rt: rate: nothing can be held back of what it brings: a rate of what it watches would be right");
    }
  CHECK_OK(monitor->Limit(kTx, rig.engine.get()));
  CHECK_OK(monitor->Limit({}, rig.engine.get()));
}

}  // namespace

int main() {
  LimitsChangeInTraffic();
  LimitsOfMembersChangeInTraffic();
  ARetiredPortLeavesNothing();
  Random random("rate_test");
  ASinkIsSentNoMore(Policy::kPoll);
  for (Policy policy : {Policy::kAdaptive, Policy::kNotify})
    Eventually("a worker that sleeps", [&] { return ASinkIsSentNoMore(policy); });
  ASourceSendsNoMore();
  APipePassesNoMore(kTx, {});
  APipePassesNoMore({}, kRx);
  APipePassesNoMore(kTx, kRx);
  AnEchoComesBackNoFaster(kTx);
  AnEchoComesBackNoFaster(kRx);
  OthersAreNotHeldUp();
  ASwitchDropsWhatIsTooMuch();
  OfABatchTheFirstOnesPass(random);
  StormsAreCutAtTheirSender();
  WhatCannotBeIsRefused();
  AMonitorHasNoRate();
}
