// Loops against a fake host: every packet once and in order at every wrap, with several rings, fragments, full rings,
// echo.
#include "harness.h"

namespace ptnet::guest::test {
namespace {

constexpr uint64_t kCount = 20'000;

void Exchange(const HostOptions& options, Payload payload, uint64_t count, uint32_t size, uint32_t frags,
              uint32_t burst) {
  FakeHost host(options);
  LoopConfig send = ConfigFor(host, Op::kSend, payload, count);
  send.size = size;
  send.frags = frags;
  send.burst = burst;
  LoopConfig receive = ConfigFor(host, Op::kReceive, payload, count);
  receive.burst = burst;
  CheckExactlyOnce(SendAndReceive(host, send, receive), count, count * size);
}

TEST(levels, "every payload level passes through a ring many times around") {
  for (const Payload payload : {Payload::kNone, Payload::kStamp, Payload::kFull})
    Exchange({}, payload, kCount, 60, 1, 256);
}

TEST(odd_rings, "rings whose sizes are no powers of two and differ wrap at every place") {
  for (const uint32_t slots : {2u, 3u, 7u, 61u})
    Exchange({.tx_slots = slots, .rx_slots = slots + 4}, Payload::kFull, 3000, 61, 1, 5);
}

TEST(several_rings, "several rings in one thread carry a stream each, the count dealt in turn") {
  Exchange({.rings = 5, .tx_slots = 16, .rx_slots = 16}, Payload::kStamp, 10'003, 60, 1, 4);
}

TEST(fragments, "fragmented packets stay whole and verify at every fragment count") {
  for (const uint32_t frags : {2u, 3u, 5u, 17u, 64u})
    Exchange({.tx_slots = 100, .rx_slots = 131}, Payload::kFull, 1500, 1500, frags, 3);
}

TEST(small_fragments, "a header that spans fragments of a few bytes verifies") {
  Exchange({.tx_slots = 67, .rx_slots = 65}, Payload::kFull, 1500, 33, 33, 2);
}

TEST(fragment_fills_ring, "a packet that takes the whole ring passes") {
  Exchange({.tx_slots = 9, .rx_slots = 9}, Payload::kFull, 800, 512, 8, 1);
}

TEST(fragments_none, "without a payload to check, fragments still count as packets") {
  Exchange({.tx_slots = 40, .rx_slots = 64}, Payload::kNone, 2000, 100, 4, 16);
}

TEST(large_buffers, "packets as large as a buffer, of every length modulo 8") {
  for (uint32_t size = 2041; size <= 2048; ++size) Exchange({}, Payload::kFull, 300, size, 1, 32);
}

TEST(duplex, "duplex sends and receives its own packets in one thread") {
  FakeHost host({.rings = 2});
  const LoopConfig config = ConfigFor(host, Op::kDuplex, Payload::kFull, kCount);
  host.Start();
  const LoopResult result = RunLoop(host, config);
  host.Stop();
  CheckExactlyOnce({result, result}, kCount, kCount * 60);
}

TEST(resumes, "a second loop goes on where the first one stopped, in both directions") {
  FakeHost host({.tx_slots = 16, .rx_slots = 16});
  host.Start();
  for (uint64_t round = 0; round < 5; ++round) {
    LoopConfig config = ConfigFor(host, Op::kDuplex, Payload::kFull, 37);
    config.first_seq = round * 37;
    const LoopResult result = RunLoop(host, config);
    CheckExactlyOnce({result, result}, 37, 37 * 60);
  }
  host.Stop();
}

TEST(full_ring, "a ring nobody empties fills up: what was not taken is reported, the sender ends in time") {
  FakeHost host({.tx_slots = 32, .rx_slots = 8});
  LoopConfig send = ConfigFor(host, Op::kSend, Payload::kStamp, 1000);
  send.duration_ns = 50'000'000;
  send.drain_ns = 10'000'000;
  host.Start();
  const LoopResult result = RunLoop(host, send);
  host.Stop();
  CHECK(result.stopped == Stopped::kSeconds);
  CHECK_EQ(result.sent.packets, 31 + 7);  // both rings but for the slot that stays empty
  CHECK_EQ(result.pending, 31);
  CHECK(result.full >= 1);
}

TEST(partial_packet, "an RX packet without its end yet is left until the rest arrives") {
  FakeHost host({.rx_slots = 8});
  LoopConfig receive = ConfigFor(host, Op::kReceive, Payload::kStamp, 1);
  receive.duration_ns = 20'000'000;
  netmap_slot& slot = receive.rx[0].slots[0];
  slot.len = 20;
  slot.flags = NS_MOREFRAG;
  Store(host.hg(1).hwtail, 1, std::memory_order_release);
  const LoopResult result = RunLoop(host, receive);
  CHECK(result.stopped == Stopped::kSeconds);
  CHECK_EQ(result.received.packets, 0);
  CHECK_EQ(host.gh(1).head, 0);
}

TEST(endless_packet, "a run of fragments longer than any packet is released and counted as corrupt") {
  FakeHost host({.rx_slots = 128});
  LoopConfig receive = ConfigFor(host, Op::kReceive, Payload::kFull, 1);
  receive.duration_ns = 5'000'000'000;
  for (uint32_t i = 0; i < 100; ++i) receive.rx[0].slots[i].flags = NS_MOREFRAG;
  Store(host.hg(1).hwtail, 100, std::memory_order_release);
  const LoopResult result = RunLoop(host, receive);
  CHECK(result.stopped == Stopped::kCount);
  CHECK_EQ(result.corrupt, 1);
  CHECK_EQ(host.gh(1).head, 64);
}

TEST(count_is_exact, "a receiver takes not one packet more than its count") {
  FakeHost host({});
  Store(host.hg(1).hwtail, 50, std::memory_order_release);
  const LoopResult result = RunLoop(host, ConfigFor(host, Op::kReceive, Payload::kNone, 17));
  CHECK_EQ(result.received.packets, 17);
  CHECK_EQ(host.gh(1).head, 17);
  CHECK_EQ(host.gh(1).cur, 17);
}

TEST(steps, "a loop that is stepped by hand serves its rings once a step, and says when it is over") {
  for (const Payload payload : {Payload::kNone, Payload::kStamp, Payload::kFull}) {
    FakeHost host({});
    Store(host.hg(1).hwtail, 5, std::memory_order_release);
    LoopConfig config = ConfigFor(host, Op::kReceive, payload, 5);
    config.burst = 2;
    LoopControl control;
    HostKicker kicker{host};
    HostWaiter waiter(host, config);
    Loop<HostKicker, HostWaiter> loop(config, control, kicker, waiter);
    loop.Start();
    CHECK(loop.Step());
    CHECK_EQ(control.received.load(), 2);
    CHECK(loop.Step());
    CHECK_EQ(host.gh(1).head, 4);
    CHECK(!loop.Step());
    const LoopResult result = loop.Finish();
    CHECK_EQ(result.received.packets, 5);
    CHECK_EQ(result.corrupt, payload == Payload::kNone ? 0 : 5);  // nobody wrote them
    CHECK(result.stopped == Stopped::kCount);
  }
}

TEST(idle, "a receiver that saw packets stops when no more come") {
  FakeHost host({});
  Store(host.hg(1).hwtail, 3, std::memory_order_release);
  LoopConfig receive = ConfigFor(host, Op::kReceive, Payload::kNone, kNoLimit);
  receive.idle_ns = 1'000'000;
  const LoopResult result = RunLoop(host, receive);
  CHECK(result.stopped == Stopped::kIdle);
  CHECK_EQ(result.received.packets, 3);
  CHECK_EQ(host.gh(1).appl_need_kick, 1);  // as a driver that went idle
}

TEST(stop, "a stopped loop ends though it has no limit, and a rate holds packets back") {
  FakeHost host({});
  LoopConfig send = ConfigFor(host, Op::kSend, Payload::kNone, kNoLimit);
  send.rate = 1;
  LoopControl control;
  host.Start();
  LoopResult result;
  std::thread thread([&] { result = RunLoop(host, send, control); });
  while (control.sent.load() == 0) sched_yield();
  control.stop = true;
  thread.join();
  host.Stop();
  CHECK(result.stopped == Stopped::kStop);
  CHECK(result.sent.packets < 32);
}

TEST(echo, "echo swaps buffers from RX to TX: the same bytes come back, no buffer is lost or used twice") {
  FakeHost host({.rings = 2, .tx_slots = 32, .rx_slots = 48});
  LoopConfig echo = ConfigFor(host, Op::kEcho, Payload::kStamp, 7);
  uint32_t before[7];
  for (uint32_t i = 0; i < 7; ++i) {
    netmap_slot& slot = echo.rx[1].slots[i];
    before[i] = slot.buf_idx;
    uint8_t* packet = echo.rx[1].Buffer(slot.buf_idx);
    const ProbeHeader header = MakeHeader(echo.dst, echo.src, 4);
    std::memcpy(packet, header.data(), header.size());
    slot.len = 40;
    slot.flags = i == 2 ? NS_MOREFRAG : 0;  // packet 2 has two slots
    WriteStamp(packet, i > 2 ? i - 1 : i, 4, i == 2 ? 80 : 40);
  }
  Store(host.hg(3).hwtail, 7, std::memory_order_release);
  echo.count = 6;
  echo.drain_ns = 1;
  const LoopResult result = RunLoop(host, echo);
  CHECK_EQ(result.received.packets, 6);
  CHECK_EQ(result.sent.bytes, 280);
  CHECK_EQ(result.corrupt + result.lost + result.late, 0);
  CHECK_EQ(host.gh(3).head, 7);
  CHECK_EQ(host.gh(1).head, 7);
  for (uint32_t i = 0; i < 7; ++i) {
    const netmap_slot& out = echo.tx[1].slots[i];
    CHECK_EQ(out.buf_idx, before[i]);
    CHECK_EQ(out.len, 40);
    CHECK_EQ(out.flags, NS_BUF_CHANGED | (i == 2 ? NS_MOREFRAG : 0));
    CHECK_EQ(echo.rx[1].slots[i].flags, NS_BUF_CHANGED);
    CHECK(echo.rx[1].slots[i].buf_idx != before[i]);
  }
  const uint8_t* packet = echo.tx[1].Buffer(before[0]);
  CHECK(std::memcmp(packet, echo.src, 6) == 0 && std::memcmp(packet + 6, echo.dst, 6) == 0);
}

TEST(echo_needs_room, "echo leaves in RX what TX has no room for") {
  FakeHost host({.tx_slots = 4, .rx_slots = 32});
  LoopConfig echo = ConfigFor(host, Op::kEcho, Payload::kNone, kNoLimit);
  echo.duration_ns = 10'000'000;
  echo.drain_ns = 1;
  Store(host.hg(1).hwtail, 9, std::memory_order_release);
  const LoopResult result = RunLoop(host, echo);
  CHECK_EQ(result.sent.packets, 3);
  CHECK_EQ(host.gh(1).head, 3);
  CHECK_EQ(result.full, 1);
}

}  // namespace
}  // namespace ptnet::guest::test

int main(int argc, char** argv) { return ptnet::guest::test::RunAll(argc, argv); }
