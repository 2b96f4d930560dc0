// What a loop asks of its surroundings: how to kick, how to wait, what time it is.
#pragma once

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>

namespace ptnet::guest {

/// Rings the doorbell of ring `index`. @return false when that failed; error() then says why.
template <typename T>
concept Kicker = requires(T kicker, uint32_t index) {
  { kicker.Kick(index) } -> std::same_as<bool>;
  { kicker.error() } -> std::convertible_to<std::string>;
};

/// Waits, in the ways open to where the loop runs.
/// kClockEvery: look at the clock once in so many fruitless passes (a power of two; a clock may be dear).
/// Spin(n): called after the n-th fruitless pass in a row.
/// CanSleep(): Sleep() wakes at an interrupt. Sleep(ns): until an interrupt, a stop or so long (< 0: no limit).
/// Nap(ns): so long, more or less, interrupt or not.
template <typename T>
concept Waiter = requires(T waiter, uint64_t fruitless, int64_t ns) {
  { T::kClockEvery } -> std::convertible_to<uint64_t>;
  waiter.Spin(fruitless);
  { waiter.CanSleep() } -> std::same_as<bool>;
  waiter.Sleep(ns);
  waiter.Nap(ns);
  { waiter.interrupts() } -> std::same_as<uint64_t>;
};

inline constexpr int64_t kNsPerSecond = 1'000'000'000;

inline int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

inline void NapNs(int64_t ns) {
  const timespec time = {ns / kNsPerSecond, ns % kNsPerSecond};
  nanosleep(&time, nullptr);
}

/// Waits in fruitless passes: with the pause instruction, and by giving the core away. A yield that took longer than a
/// system call has let somebody else run: then the core is shared with the other side, which gets it at each pass. When
/// nobody wants it, yields become rare, down to one in `yield_after` passes.
class Spinner {
 public:
  explicit Spinner(uint64_t yield_after) : most_(yield_after > 0 ? yield_after : 1) {}
  void Spin(uint64_t fruitless) {
    if (fruitless % spins_ != 0) {
      __builtin_ia32_pause();
      return;
    }
    const int64_t before = NowNs();
    sched_yield();
    spins_ = NowNs() - before > kSharedNs ? 1 : std::min(2 * spins_, most_);
  }

 private:
  static constexpr int64_t kSharedNs = 1000;
  uint64_t most_;
  uint64_t spins_ = 1;  // passes between two yields
};

}  // namespace ptnet::guest
