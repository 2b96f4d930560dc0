// Runs a loop that pings and one that echoes by turns in one thread, so that no change of the CPU is in the times.
#pragma once

#include "loop.h"
#include "ping.h"

namespace ptnet::guest {

/// Does not wait: who has nothing to do leaves the turn to the other one. Counts interrupts as the waiter it is made
/// of.
template <Waiter W>
class Awake {
 public:
  static constexpr uint64_t kClockEvery = W::kClockEvery;

  explicit Awake(W& waiter) : waiter_(waiter) {}

  void Spin(uint64_t) {}
  bool CanSleep() { return false; }
  void Sleep(int64_t) {}
  void Nap(int64_t) {}
  uint64_t interrupts() { return waiter_.interrupts(); }

 private:
  W& waiter_;
};

/// The two have nothing in common but the thread: rings, doorbells, limits and results are each one's own.
template <Kicker K, Waiter W>
class Duo {
 public:
  struct Side {
    LoopConfig& config;
    LoopControl& control;
    K& kicker;
    W& waiter;
  };
  struct Results {
    LoopResult ping;
    LoopResult echo;
  };

  /// The configurations, of op kPing and kEcho, must have passed Check(). What the sides refer to must outlive the duo.
  Duo(const Side& ping, const Side& echo)
      : ping_control_(ping.control),
        echo_control_(echo.control),
        ping_waiter_(ping.waiter),
        echo_waiter_(echo.waiter),
        pinger_(ping.config, ping.control, ping.kicker, ping_waiter_),
        echoer_(echo.config, echo.control, echo.kicker, echo_waiter_) {}

  /// Until one of the two has ended; the other one is then stopped.
  Results Run() {
    echoer_.Start();
    pinger_.Start();
    bool echoing = true;
    while (echoing && pinger_.Step()) echoing = echoer_.Step();
    if (echoing)
      Stop(echo_control_, echoer_);
    else
      Stop(ping_control_, pinger_);
    return {pinger_.Finish(), echoer_.Finish()};
  }

 private:
  /// With the last step a loop takes notice.
  template <typename L>
  static void Stop(LoopControl& control, L& loop) {
    control.stop.store(true, std::memory_order_relaxed);
    loop.Step();
  }

  LoopControl& ping_control_;
  LoopControl& echo_control_;
  Awake<W> ping_waiter_;
  Awake<W> echo_waiter_;
  PingLoop<K, Awake<W>> pinger_;
  Loop<K, Awake<W>> echoer_;
};

}  // namespace ptnet::guest
