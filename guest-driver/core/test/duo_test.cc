// A ping and an echo that take turns in one thread, against a fake host: nothing is lost, neither waits, one ends both.
#include "../duo.h"

#include "harness.h"

namespace ptnet::guest::test {
namespace {

/// Notes when it is asked to wait. The clock is hardly looked at, so that it is the stop that tells an echo its end.
struct WatchedWaiter {
  static constexpr uint64_t kClockEvery = uint64_t{1} << 40;
  uint64_t waits = 0;
  void Spin(uint64_t) { ++waits; }
  bool CanSleep() { return true; }
  void Sleep(int64_t) { ++waits; }
  void Nap(int64_t) { ++waits; }
  uint64_t interrupts() { return 7; }
};

/// The host joins TX ring r to RX ring r: who pings has TX ring 0 and RX ring 1, who echoes the other two.
struct TestDuo {
  FakeHost host{{.rings = 2, .tx_slots = 16, .rx_slots = 11}};
  LoopConfig ping = ConfigFor(host, Op::kPing, Payload::kStamp, 2000);
  LoopConfig echo = ConfigFor(host, Op::kEcho, Payload::kStamp, kNoLimit);
  LoopControl ping_control;
  LoopControl echo_control;
  WatchedWaiter ping_waiter;
  WatchedWaiter echo_waiter;

  TestDuo() {
    ping.tx.pop_back();
    ping.rx.erase(ping.rx.begin());
    echo.rx.pop_back();
    echo.tx.erase(echo.tx.begin());
  }

  auto Run() {
    CHECK_EQ(Check(ping), "");
    CHECK_EQ(Check(echo), "");
    HostKicker kicker{host};
    using HostDuo = Duo<HostKicker, WatchedWaiter>;
    return HostDuo({ping, ping_control, kicker, ping_waiter}, {echo, echo_control, kicker, echo_waiter}).Run();
  }
};

TEST(turns,
     "every packet comes back once and is timed, at a rate or not, and neither side waits though it is told to") {
  for (const double rate : {0.0, 20'000.0}) {
    TestDuo duo;
    duo.ping.rate = rate;
    duo.ping.sleep = duo.echo.sleep = true;
    duo.ping.spin_ns = duo.echo.spin_ns = 0;
    duo.host.Start();
    const auto [ping, echo] = duo.Run();
    duo.host.Stop();
    CHECK_EQ(ping.error, "");
    CHECK_EQ(echo.error, "");
    CHECK_EQ(ping.sent.packets, 2000);
    CHECK_EQ(ping.received.packets, 2000);
    CHECK_EQ(echo.received.packets, 2000);
    CHECK_EQ(echo.sent.packets, 2000);
    CHECK_EQ(ping.lost + ping.late + ping.corrupt + echo.lost + echo.late + echo.corrupt, 0);
    CHECK_EQ(ping.latency.round_trip.count, 2000);
    CHECK(ping.stopped == Stopped::kCount);
    CHECK(echo.stopped == Stopped::kStop);
    CHECK(echo.seconds > 0);
    CHECK_EQ(duo.ping_waiter.waits + duo.echo_waiter.waits, 0);
    CHECK_EQ(ping.interrupts, 7);
  }
}

TEST(losses, "what is lost on the way ends the ping all the same, and the echo with it") {
  TestDuo duo;
  duo.host.fate = [](uint64_t packet) { return packet % 10 == 3 ? Fate::kDrop : Fate::kPass; };
  duo.host.Start();
  const auto [ping, echo] = duo.Run();
  duo.host.Stop();
  CHECK_EQ(ping.sent.packets, 2000);
  CHECK(ping.received.packets < 2000);
  CHECK(echo.received.packets >= ping.received.packets);
  CHECK_EQ(ping.latency.round_trip.count, ping.received.packets);
  CHECK(ping.stopped == Stopped::kCount);
}

TEST(echo_fails, "an echo that fails ends the ping, which would wait in vain") {
  TestDuo duo;
  duo.ping.count = kNoLimit;
  Store(duo.host.hg(2).hwtail, 11, std::memory_order_release);
  const auto [ping, echo] = duo.Run();
  CHECK(echo.stopped == Stopped::kError);
  CHECK(echo.error.find("ring 2: the host published an index") == 0);
  CHECK(ping.stopped == Stopped::kStop);
  CHECK_EQ(ping.error, "");
}

TEST(ping_fails, "a ping that fails ends the echo") {
  TestDuo duo;
  Store(duo.host.hg(3).hwtail, 11, std::memory_order_release);
  const auto [ping, echo] = duo.Run();
  CHECK(ping.stopped == Stopped::kError);
  CHECK(echo.stopped == Stopped::kStop);
  CHECK_EQ(echo.error, "");
}

TEST(stopped, "a stop of either side, from another thread, ends both") {
  for (const bool stop_echo : {false, true}) {
    TestDuo duo;
    duo.ping.count = kNoLimit;
    LoopControl& control = stop_echo ? duo.echo_control : duo.ping_control;
    duo.host.Start();
    std::thread stopper([&] {
      while (duo.ping_control.received.load() < 100) sched_yield();
      control.stop = true;
    });
    const auto [ping, echo] = duo.Run();
    stopper.join();
    duo.host.Stop();
    CHECK(ping.stopped == Stopped::kStop);
    CHECK(echo.stopped == Stopped::kStop);
    CHECK(ping.received.packets >= 100);
  }
}

}  // namespace
}  // namespace ptnet::guest::test

int main(int argc, char** argv) { return ptnet::guest::test::RunAll(argc, argv); }
