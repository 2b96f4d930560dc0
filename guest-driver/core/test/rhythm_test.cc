// The rhythm of drivers that are not ours: the host's indices are looked at late, sleep comes at once, kicks may bring
// nothing.
#include "harness.h"

namespace ptnet::guest::test {
namespace {

LoopConfig Foreign(FakeHost& host, Op op, uint64_t count) {
  LoopConfig config = ConfigFor(host, op, Payload::kStamp, count);
  config.rhythm = Rhythm::kForeign;
  config.sleep = true;
  return config;
}

TEST(sleepers, "nothing is lost, doubled or waited for in vain, whoever parks when") {
  for (const uint32_t spins : {0u, 3u, 1000u})
    for (const uint32_t burst : {1u, 7u, 512u}) {
      FakeHost host({.tx_slots = 16, .rx_slots = 11, .spins_before_parking = spins});
      LoopConfig send = Foreign(host, Op::kSend, 20'000);
      send.burst = burst;
      CheckExactlyOnce(SendAndReceive(host, send, Foreign(host, Op::kReceive, 20'000)), 20'000, 1'200'000);
    }
}

TEST(fragments, "a ring with room for less than a packet is full") {
  FakeHost host({.tx_slots = 8, .rx_slots = 6});
  LoopConfig send = Foreign(host, Op::kSend, 10'000);
  send.frags = 3;
  CheckExactlyOnce(SendAndReceive(host, send, Foreign(host, Op::kReceive, 10'000)), 10'000, 600'000);
}

TEST(late_look, "a sender uses up the room that it knows of before it looks for more") {
  for (const Rhythm rhythm : {Rhythm::kForeign, Rhythm::kNative}) {
    FakeHost host({.tx_slots = 1024});
    LoopConfig send = Foreign(host, Op::kSend, 1024);
    send.rhythm = rhythm;
    send.burst = 512;
    send.drain_ns = 1;
    Store(host.hg(0).kern_need_kick, 0, std::memory_order_relaxed);
    // The host has taken 256 of the first batch by now.
    Store(host.hg(0).hwcur, 256, std::memory_order_relaxed);
    Store(host.hg(0).hwtail, 255, std::memory_order_release);
    const LoopResult result = RunLoop(host, send);
    CHECK_EQ(result.sent.packets, 1024);
    CHECK(result.stopped == Stopped::kCount);
    // The ring holds 1023.
    CHECK_EQ(result.syncs, (rhythm == Rhythm::kForeign ? 3 : 2));
    CHECK_EQ(host.gh(0).head, 0);
  }
}

TEST(all_at_once, "a receiver takes all that is there and gives it back at once") {
  FakeHost host({.rx_slots = 1024});
  Store(host.hg(1).kern_need_kick, 0, std::memory_order_relaxed);
  Store(host.hg(1).hwtail, 1000, std::memory_order_release);
  LoopConfig receive = Foreign(host, Op::kReceive, 1000);
  receive.payload = Payload::kNone;
  receive.burst = 1;
  const LoopResult result = RunLoop(host, receive);
  CHECK_EQ(result.received.packets, 1000);
  CHECK_EQ(result.syncs, 1);
  CHECK_EQ(host.gh(1).head, 1000);
}

/// Against a host that does nothing: until the time is over.
LoopResult Stuck(FakeHost& host, Op op, uint32_t wanted) {
  LoopConfig config = Foreign(host, op, 100);
  config.duration_ns = 5'000'000;
  config.drain_ns = 1;
  for (const uint32_t ring : {0, 1}) Store(host.hg(ring).kern_need_kick, wanted, std::memory_order_relaxed);
  return RunLoop(host, config);
}

TEST(idle_kicks, "with nothing left to do both kick, if the host wants it, and say that it was for nothing") {
  for (const Op op : {Op::kSend, Op::kReceive}) {
    FakeHost host({.tx_slots = 16});
    const LoopResult wanted = Stuck(host, op, 1);
    CHECK(wanted.stopped == Stopped::kSeconds);
    CHECK(wanted.idle_kicks > 0);
    CHECK_EQ(wanted.kicks, wanted.idle_kicks + wanted.syncs);
    CHECK_EQ(wanted.syncs, (op == Op::kSend ? 1 : 0));
    const LoopResult unwanted = Stuck(host, op, 0);
    CHECK_EQ(unwanted.kicks, 0);
  }
}

TEST(refused, "a loop that times packets has no such rhythm") {
  FakeHost host({});
  CHECK(Check(Foreign(host, Op::kPing, 1)).find("rhythm foreign") == 0);
}

}  // namespace
}  // namespace ptnet::guest::test

int main(int argc, char** argv) { return ptnet::guest::test::RunAll(argc, argv); }
