// A limit on how much may pass in a second: a token bucket, kept as one time. Units are its user's: bytes, packets.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "memory/layout.h"

namespace ptnet {

/// The bucket holds `burst` units and fills at the rate. What passes may exceed what is in it; then nothing passes
/// until that is made up for. So a batch needs to be counted only once it is known, and the rate is kept all the same,
/// whatever lengths packets have (GCRA: the bucket is the time at which it will be full). Any number of threads.
class alignas(kCacheLine) RateLimit {
 public:
  /// @param per_second at least 1.
  RateLimit(double per_second, uint64_t burst)
      : ticks_per_unit_(1e9 * kTicksPerNs / per_second), burst_(burst), burst_ticks_(TicksOf(burst)) {}

  /// Whole units in the bucket; 0: nothing may pass before DueNs(). Times are of CLOCK_MONOTONIC.
  uint64_t Tokens(uint64_t now_ns) const noexcept {
    const uint64_t now = now_ns * kTicksPerNs, full_at = full_at_.load(std::memory_order_relaxed);
    if (full_at <= now) return burst_;
    const uint64_t missing = full_at - now;
    if (missing >= burst_ticks_) return 0;
    return static_cast<uint64_t>(static_cast<double>(burst_ticks_ - missing) / ticks_per_unit_);
  }
  /// So many units have passed.
  void Take(uint64_t units, uint64_t now_ns) noexcept {
    const uint64_t cost = TicksOf(units);
    uint64_t full_at = full_at_.load(std::memory_order_relaxed), next;
    do next = std::max(full_at, now_ns * kTicksPerNs) + cost;
    while (!full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed));
  }
  /// When there is a share in it that is worth to be woken for: half of it, or what comes in a millisecond, a unit at
  /// least.
  uint64_t DueNs() const noexcept {
    const uint64_t full_at = full_at_.load(std::memory_order_relaxed), rest = burst_ticks_ - share_ticks();
    return full_at > rest ? (full_at - rest) / kTicksPerNs + 1 : 0;
  }
  /// That share, in units.
  uint64_t share() const noexcept {
    return static_cast<uint64_t>(static_cast<double>(share_ticks()) / ticks_per_unit_);
  }
  /// For another process: how long it takes from now until the bucket is full.
  uint64_t MissingNs(uint64_t now_ns) const noexcept {
    const uint64_t now = now_ns * kTicksPerNs, full_at = full_at_.load(std::memory_order_relaxed);
    return full_at > now ? (full_at - now) / kTicksPerNs : 0;
  }
  /// As that one was, or as if it took kMissingMostNs if that is less. Nobody uses it yet.
  void GoOn(uint64_t missing_ns, uint64_t now_ns) noexcept {
    full_at_.store((now_ns + std::min(missing_ns, kMissingMostNs)) * kTicksPerNs, std::memory_order_relaxed);
  }

 private:
  static constexpr uint64_t kTicksPerNs = 64;  // a byte of 100 Gbit/s takes 5; nine years fit
  static constexpr uint64_t kShareMostNs = 1'000'000;
  static constexpr uint64_t kMissingMostNs = 86'400'000'000'000;  // a day

  uint64_t TicksOf(uint64_t units) const noexcept {
    return static_cast<uint64_t>(static_cast<double>(units) * ticks_per_unit_ + 0.5);
  }
  uint64_t share_ticks() const noexcept {
    return std::max(std::min(burst_ticks_ / 2, kShareMostNs * kTicksPerNs), TicksOf(1));
  }

  const double ticks_per_unit_;
  const uint64_t burst_, burst_ticks_;
  std::atomic<uint64_t> full_at_{0};  // ticks of CLOCK_MONOTONIC
};

}  // namespace ptnet
