// Prints how fast a loop and an engine thread pass packets through one 1024-slot ring, at each payload level.
#include "harness.h"

namespace ptnet::guest::test {
namespace {

struct SpinWaiter {
  static constexpr uint64_t kClockEvery = 64;
  Spinner spinner{512};
  void Spin(uint64_t fruitless) { spinner.Spin(fruitless); }
  bool CanSleep() { return false; }
  void Sleep(int64_t) {}
  void Nap(int64_t ns) { NapNs(ns); }
  uint64_t interrupts() { return 0; }
};

void Measure(const char* name, HostOptions::Join join, Op op, Payload payload) {
  FakeHost host({.tx_slots = 1024, .rx_slots = 1024, .spins_before_parking = 1'000'000, .join = join});
  LoopConfig config = ConfigFor(host, op, payload, kNoLimit);
  config.duration_ns = kNsPerSecond / 2;
  LoopControl control;
  HostKicker kicker{host};
  SpinWaiter waiter;
  host.Start();
  Loop<HostKicker, SpinWaiter> loop(config, control, kicker, waiter);
  const LoopResult result = loop.Run();
  host.Stop();
  const uint64_t packets = std::max(result.sent.packets, result.received.packets);
  std::printf("%-14s %8.1f Mpps, %llu full, %.1f packets a sync\n", name,
              static_cast<double>(packets) / result.seconds / 1e6, static_cast<unsigned long long>(result.full),
              static_cast<double>(packets) / static_cast<double>(result.syncs));
}

}  // namespace
}  // namespace ptnet::guest::test

int main() {
  using namespace ptnet::guest;
  using namespace ptnet::guest::test;
  Measure("send none", HostOptions::Join::kSink, Op::kSend, Payload::kNone);
  Measure("send stamp", HostOptions::Join::kSink, Op::kSend, Payload::kStamp);
  Measure("send full", HostOptions::Join::kSink, Op::kSend, Payload::kFull);
  Measure("receive none", HostOptions::Join::kSource, Op::kReceive, Payload::kNone);
  Measure("duplex none", HostOptions::Join::kLoopback, Op::kDuplex, Payload::kNone);
  Measure("duplex full", HostOptions::Join::kLoopback, Op::kDuplex, Payload::kFull);
}
