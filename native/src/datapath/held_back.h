// The limits of a flow: what is too much stays where it is, and the flow rests until its time has come.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "datapath/budget.h"
#include "datapath/rate_limit.h"

namespace ptnet {

class Flow;
struct Kring;
struct RingCounters;

/// Two limits at most: the sender's, and the receiver's where one flow serves both. What passes is what the flow counts
/// as bytes in one block of counters, virtio-net headers left out.
class HeldBack {
 public:
  /// @param k the ring that the counters are of, or null when its packets have no virtio-net header.
  HeldBack(const RingCounters& counters, const Kring* k) : counters_(counters), k_(k) {}
  void Add(RateLimit* limit) { limits_[limits_[0] == nullptr ? 0 : 1] = limit; }
  /// @return whether none is left.
  bool Remove(RateLimit* limit) {
    if (limits_[0] == limit) limits_[0] = std::exchange(limits_[1], nullptr);
    if (limits_[1] == limit) limits_[1] = nullptr;
    due_ns_ = 0;
    return limits_[0] == nullptr;
  }

  /// Polls the flow as far as the limits go; nothing, while they say so.
  Used Poll(Flow& flow, const Budget& budget) noexcept;
  /// The time for the next poll, when the last one was in vain because of the limits; else 0.
  uint64_t due_ns() const noexcept { return due_ns_; }

 private:
  uint64_t Allowed(uint64_t now_ns) noexcept;

  const RingCounters& counters_;
  const Kring* const k_;
  std::array<RateLimit*, 2> limits_{};
  uint64_t due_ns_ = 0;
};

}  // namespace ptnet
