// What the tests of the loops share: policies on a fake host, configurations, and running a loop in a thread.
#pragma once

#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "../loop.h"
#include "check.h"
#include "fake_host.h"

namespace ptnet::guest::test {

struct HostKicker {
  FakeHost& host;
  bool Kick(uint32_t index) { return host.Kick(index); }
  std::string error() const { return {}; }
};

/// Sleeps on the fake host's interrupts with no time limit of its own: a lost wakeup hangs the test.
struct HostWaiter {
  static constexpr uint64_t kClockEvery = 1;
  std::vector<pollfd> fds;
  uint64_t taken = 0;

  HostWaiter(FakeHost& host, const LoopConfig& config) {
    for (const Ring& ring : config.tx) fds.push_back({host.interrupt_fd(ring.index), POLLIN, 0});
    for (const Ring& ring : config.rx) fds.push_back({host.interrupt_fd(ring.index), POLLIN, 0});
  }
  void Spin(uint64_t) { sched_yield(); }
  bool CanSleep() { return true; }
  void Sleep(int64_t ns) {
    poll(fds.data(), fds.size(), ns < 0 ? -1 : static_cast<int>(ns / 1'000'000));
    for (const pollfd& entry : fds) {
      uint64_t count;
      if (read(entry.fd, &count, sizeof count) == sizeof count) taken += count;
    }
  }
  void Nap(int64_t ns) { NapNs(ns); }
  uint64_t interrupts() { return taken; }
};

inline LoopConfig ConfigFor(FakeHost& host, Op op, Payload payload, uint64_t count) {
  LoopConfig config;
  Port port;
  const std::string error = OpenPort(host.layout(), port);
  CHECK_EQ(error, "");
  config.op = op;
  config.payload = payload;
  config.count = count;
  if (op != Op::kReceive) config.tx = port.tx;
  if (op != Op::kSend) config.rx = port.rx;
  return config;
}

inline LoopResult RunLoop(FakeHost& host, LoopConfig config, LoopControl& control) {
  CHECK_EQ(Check(config), "");
  HostKicker kicker{host};
  HostWaiter waiter(host, config);
  Loop<HostKicker, HostWaiter> loop(config, control, kicker, waiter);
  return loop.Run();
}

inline LoopResult RunLoop(FakeHost& host, const LoopConfig& config) {
  LoopControl control;
  return RunLoop(host, config, control);
}

struct Both {
  LoopResult sent;
  LoopResult received;
};

/// A sender and a receiver in a thread each, through the host's loopback.
inline Both SendAndReceive(FakeHost& host, const LoopConfig& send, const LoopConfig& receive) {
  Both both;
  host.Start();
  std::thread sender([&] { both.sent = RunLoop(host, send); });
  both.received = RunLoop(host, receive);
  sender.join();
  host.Stop();
  return both;
}

/// Every one of `count` packets arrived once, whole and in order.
inline void CheckExactlyOnce(const Both& both, uint64_t count, uint64_t bytes) {
  CHECK_EQ(both.sent.error, "");
  CHECK_EQ(both.received.error, "");
  CHECK_EQ(both.sent.sent.packets, count);
  CHECK_EQ(both.sent.sent.bytes, bytes);
  CHECK_EQ(both.sent.pending, 0);
  CHECK_EQ(both.received.received.packets, count);
  CHECK_EQ(both.received.received.bytes, bytes);
  CHECK_EQ(both.received.lost, 0);
  CHECK_EQ(both.received.late, 0);
  CHECK_EQ(both.received.corrupt, 0);
  CHECK(both.received.stopped == Stopped::kCount);
}

}  // namespace ptnet::guest::test
