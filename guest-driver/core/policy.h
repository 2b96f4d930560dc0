// What a loop asks of its surroundings: how to kick, how to wait, what time it is.
#pragma once

#include <sched.h>
#include <time.h>

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

/// Spins with the pause instruction; from the `yield_after`-th fruitless pass on gives the core away each time, since
/// with fewer cores than threads the other side needs it.
class Spinner {
 public:
  explicit Spinner(uint64_t yield_after) : yield_after_(yield_after) {}
  void Spin(uint64_t fruitless) {
    if (fruitless < yield_after_)
      __builtin_ia32_pause();
    else
      sched_yield();
  }

 private:
  uint64_t yield_after_;
};

}  // namespace ptnet::guest
