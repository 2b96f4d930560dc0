// The histogram's precision, pings against a fake host whose loopback is the echo, and destinations in turn.
#include "../ping.h"

#include "../histogram.h"
#include "harness.h"

namespace ptnet::guest::test {
namespace {

TEST(precision, "every value comes back to within 1 %, small ones exactly") {
  for (uint64_t value = 1; value < Histogram::kMax / 3; value += value / 5 + 1) {
    Histogram histogram;
    histogram.Record(static_cast<int64_t>(value));
    histogram.Record(static_cast<int64_t>(Histogram::kMax));  // so that the value is not the largest one
    const uint64_t got = histogram.At(500);
    const uint64_t difference = got > value ? got - value : value - got;
    CHECK(difference * 100 <= value);
    if (value < 128) CHECK_EQ(got, value);
  }
}

TEST(percentiles, "percentiles are of all that was recorded") {
  Histogram histogram;
  for (int64_t i = 1; i <= 100'000; ++i) histogram.Record(i);
  const Percentiles summary = histogram.Summary();
  CHECK_EQ(summary.count, 100'000);
  CHECK_EQ(summary.max, 100'000);
  CHECK(summary.p50 > 49'500 && summary.p50 < 50'500);
  CHECK(summary.p99 > 98'000 && summary.p99 <= 100'000);
  CHECK(summary.p999 >= summary.p99 && summary.p999 <= 100'000);
}

TEST(extremes, "nothing recorded is 0, and so are negative times; what is too long is cut") {
  Histogram histogram;
  CHECK_EQ(histogram.Summary().p999, 0);
  histogram.Record(-5);
  CHECK_EQ(histogram.At(500), 0);
  histogram.Record(INT64_MAX);
  CHECK_EQ(histogram.Summary().max, Histogram::kMax);
}

LoopResult RunPing(FakeHost& host, LoopConfig config) {
  CHECK_EQ(Check(config), "");
  HostKicker kicker{host};
  HostWaiter waiter(host, config);
  LoopControl control;
  return PingLoop(config, control, kicker, waiter).Run();
}

TEST(ping, "every packet is timed once, as fast as it goes and at a rate, asleep in between or not") {
  for (const double rate : {0.0, 20'000.0}) {
    for (const bool sleep : {false, true}) {
      FakeHost host({});
      LoopConfig config = ConfigFor(host, Op::kPing, Payload::kStamp, 2000);
      config.rate = rate;
      config.sleep = sleep;
      config.spin_ns = 0;
      host.Start();
      const LoopResult result = RunPing(host, config);
      host.Stop();
      CHECK_EQ(result.error, "");
      CHECK_EQ(result.sent.packets, 2000);
      CHECK_EQ(result.received.packets, 2000);
      CHECK_EQ(result.lost + result.late + result.corrupt, 0);
      CHECK_EQ(result.latency.round_trip.count, 2000);
      CHECK(result.latency.service.count + result.latency.kicked.count > 0);
    }
  }
}

TEST(ping_losses, "what does not come back ends the loop, and is counted") {
  FakeHost host({});
  host.fate = [](uint64_t packet) { return packet % 10 == 3 ? Fate::kDrop : Fate::kPass; };
  const LoopConfig config = ConfigFor(host, Op::kPing, Payload::kStamp, 1000);
  host.Start();
  const LoopResult result = RunPing(host, config);
  host.Stop();
  CHECK_EQ(result.received.packets, 900);
  CHECK_EQ(result.latency.round_trip.count, 900);
  CHECK_EQ(result.lost, 100);
}

TEST(spread, "a sender addresses several destinations in turn, in one buffer or many") {
  for (const uint32_t frags : {1u, 3u}) {
    FakeHost host({.tx_slots = 60});
    LoopConfig send = ConfigFor(host, Op::kSend, Payload::kFull, 3000);
    const uint8_t dst[6] = {2, 0, 0, 0, 1, 7};
    std::copy(dst, dst + 6, send.dst);
    send.spread = 3;
    send.frags = frags;
    uint64_t seen[256] = {};
    host.tamper = [&](uint64_t, uint8_t* packet) { ++seen[packet[5]]; };
    CheckExactlyOnce(SendAndReceive(host, send, ConfigFor(host, Op::kReceive, Payload::kFull, 3000)), 3000, 3000 * 60);
    for (const uint32_t last : {7u, 8u, 9u}) CHECK(seen[last] >= 1000);
    CHECK_EQ(seen[10] + seen[6], 0);
    send.dst[5] = 254;
    CHECK(Check(send) != "");
  }
}

TEST(ping_starved, "a ping that finds no room sleeps until there is room, though nobody answers") {
  FakeHost host({.tx_slots = 8});
  host.fate = [](uint64_t packet) {
    if (packet % 50 == 49) usleep(5000);  // the host is away for a moment
    return Fate::kDrop;
  };
  LoopConfig config = ConfigFor(host, Op::kPing, Payload::kStamp, 500);
  config.sleep = true;
  config.spin_ns = 0;
  CHECK_EQ(Check(config), "");
  host.Start();
  HostKicker kicker{host};
  HostWaiter waiter(host, config);
  LoopControl control;
  const LoopResult result = PingLoop(config, control, kicker, waiter).Run();
  host.Stop();
  CHECK_EQ(result.sent.packets, 500);
}

TEST(ping_size, "a ping has room for its times") {
  FakeHost host({});
  LoopConfig config = ConfigFor(host, Op::kPing, Payload::kStamp, 1);
  config.size = kMinPing - 1;
  CHECK(Check(config) != "");
}

}  // namespace
}  // namespace ptnet::guest::test

int main(int argc, char** argv) { return ptnet::guest::test::RunAll(argc, argv); }
