// How long an idle flow is polled before it is parked: as long as has paid lately, up to what its policy allows.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ptnet {

/// Polling pays when work comes before the limit: then it is found at once, and its guest need not kick. When gaps are
/// longer than that, each of them would cost the whole limit for nothing, so the time is halved with each down to an
/// eighth, which still catches what follows closely; the first short gaps bring it back.
class SpinTime {
 public:
  void Configure(uint64_t most_ns) { ns_ = most_ns_ = most_ns; }
  /// Work came so long after the flow had become idle, whether it was polled all the time or parked.
  void Saw(uint64_t gap_ns) {
    ns_ = gap_ns <= most_ns_ ? std::min(2 * ns_, most_ns_) : std::max(ns_ / 2, most_ns_ / kLeastShare);
  }
  uint64_t ns() const { return ns_; }
  /// Whether gaps have been so long that it does not get any less.
  bool least() const { return ns_ <= most_ns_ / kLeastShare; }

 private:
  static constexpr uint64_t kLeastShare = 8;
  uint64_t most_ns_ = 0;
  uint64_t ns_ = 0;
};

}  // namespace ptnet
