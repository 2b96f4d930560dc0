// Kicks and interrupts only when asked for, and never one too few: sleepers on both sides that would hang if one got
// lost.
#include "harness.h"

namespace ptnet::guest::test {
namespace {

/// Sender and receiver that sleep without a time limit, against a host that parks at once.
void Sleepers(const HostOptions& options, uint64_t count, uint32_t burst, uint32_t frags) {
  FakeHost host(options);
  LoopConfig send = ConfigFor(host, Op::kSend, Payload::kStamp, count);
  LoopConfig receive = ConfigFor(host, Op::kReceive, Payload::kStamp, count);
  for (LoopConfig* config : {&send, &receive}) {
    config->burst = burst;
    config->sleep = true;
    config->spin_ns = 0;
    config->frags = frags;
  }
  const Both both = SendAndReceive(host, send, receive);
  CheckExactlyOnce(both, count, count * 60);
  CHECK(both.sent.kicks + both.sent.interrupts + both.received.interrupts > 0);
}

TEST(tiny_batches, "no wakeup is lost over many batches of one packet") {
  Sleepers({.tx_slots = 8, .rx_slots = 8}, 20'000, 1, 1);
}

TEST(two_slots, "no wakeup is lost in rings that hold one packet") {
  Sleepers({.tx_slots = 2, .rx_slots = 2}, 10'000, 1, 1);
}

TEST(rings, "no wakeup is lost with several rings in one thread") {
  Sleepers({.rings = 3, .tx_slots = 8, .rx_slots = 8}, 20'000, 3, 1);
}

TEST(frags, "no wakeup is lost with fragments that hardly fit") {
  Sleepers({.tx_slots = 8, .rx_slots = 6}, 10'000, 2, 3);
}

TEST(late_parking, "no wakeup is lost when the host spins a little before it parks") {
  Sleepers({.tx_slots = 16, .rx_slots = 16, .spins_before_parking = 3}, 20'000, 2, 1);
}

TEST(ping_pong, "no wakeup is lost in duplex, one packet at a time") {
  FakeHost host({.tx_slots = 2, .rx_slots = 2});
  LoopConfig config = ConfigFor(host, Op::kDuplex, Payload::kFull, 10'000);
  config.sleep = true;
  config.spin_ns = 0;
  host.Start();
  const LoopResult result = RunLoop(host, config);
  host.Stop();
  CheckExactlyOnce({result, result}, 10'000, 600'000);
}

TEST(no_kick_unasked, "no kick while the host does not want one") {
  FakeHost host({});
  Store(host.hg(0).kern_need_kick, 0, std::memory_order_relaxed);
  LoopConfig send = ConfigFor(host, Op::kSend, Payload::kStamp, 10);
  send.burst = 1;
  send.drain_ns = 1;
  const LoopResult result = RunLoop(host, send);
  CHECK_EQ(result.kicks, 0);
  CHECK_EQ(result.syncs, 10);
}

TEST(kick_when_asked, "a kick per publication while the host wants one, and one publication per batch") {
  FakeHost host({});
  LoopConfig send = ConfigFor(host, Op::kSend, Payload::kStamp, 40);
  send.burst = 16;
  send.drain_ns = 1;
  const LoopResult result = RunLoop(host, send);
  CHECK_EQ(result.kicks, 3);
  CHECK_EQ(result.syncs, 3);
  CHECK_EQ(host.gh(0).cur, 40);
  CHECK_EQ(host.gh(0).head, 40);
}

/// Looks at appl_need_kick at every packet: the host thread asks for each packet's fate before it passes it on.
/// Before and after a loop the driver is idle and asks, so what counts is when both loops are known to run.
struct Asked {
  FakeHost& host;
  uint64_t from;  // the first packet that shows both loops at work
  uint64_t looks = 0;
  uint64_t times = 0;

  explicit Asked(FakeHost& h, uint64_t first) : host(h), from(first) {
    host.fate = [this](uint64_t packet) {
      if (packet < from) return Fate::kPass;
      ++looks;
      for (const uint32_t ring : {0, 1}) times += Load(host.gh(ring).appl_need_kick, std::memory_order_relaxed) != 0;
      return Fate::kPass;
    };
  }
};

TEST(polling_asks_for_nothing, "a loop that polls asks for no interrupt until it ends") {
  FakeHost host({.spins_before_parking = 1000});
  Asked asked(host, 64);  // the receiver has given a slot back by then: it cleared appl_need_kick before that
  const Both both = SendAndReceive(host, ConfigFor(host, Op::kSend, Payload::kNone, 5000),
                                   ConfigFor(host, Op::kReceive, Payload::kNone, 5000));
  CheckExactlyOnce(both, 5000, 300'000);
  CHECK(asked.looks >= 5000 - 64);
  CHECK_EQ(asked.times, 0);
  CHECK_EQ(both.received.interrupts, 0);
  CHECK_EQ(host.gh(0).appl_need_kick, 0);
  CHECK_EQ(host.gh(1).appl_need_kick, 1);
}

TEST(sleeping_asks, "a loop that sleeps asks for interrupts while it runs") {
  FakeHost host({.tx_slots = 8, .rx_slots = 8});
  Asked asked(host, 8);
  LoopConfig receive = ConfigFor(host, Op::kReceive, Payload::kNone, 5000);
  receive.sleep = true;
  receive.spin_ns = 0;
  const Both both = SendAndReceive(host, ConfigFor(host, Op::kSend, Payload::kNone, 5000), receive);
  CheckExactlyOnce(both, 5000, 300'000);
  CHECK(asked.times > 0);
}

}  // namespace
}  // namespace ptnet::guest::test

int main(int argc, char** argv) { return ptnet::guest::test::RunAll(argc, argv); }
