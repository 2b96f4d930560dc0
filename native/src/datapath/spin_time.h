// How long an idle flow is polled before it is parked: as long as has paid lately, up to what its policy allows.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ptnet {

/// Polling pays when work comes before the limit: then it is found at once, and its guest need not kick. When gaps are
/// longer than that, each of them would cost the whole limit for nothing, so the time is halved with each down to a
/// sixteenth; one gap that is short enough brings all of it back. A gap that ends with a kick is longer by what the kick
/// takes, which may be more than the limit: so now and then the whole limit is tried, to see how long gaps are without.
class SpinTime {
 public:
  void Configure(uint64_t most_ns) { ns_ = paid_ns_ = most_ns_ = most_ns; }
  /// The flow has become idle.
  void Begin() { ns_ = ++gaps_ % kTriedEach == 0 ? most_ns_ : paid_ns_; }
  /// Work came so long after the flow had become idle, whether it was polled all the time or parked.
  void Saw(uint64_t gap_ns) {
    paid_ns_ = gap_ns <= most_ns_ ? most_ns_ : std::max(paid_ns_ / 2, most_ns_ / kLeastShare);
  }
  /// How long it is to be polled this time.
  uint64_t ns() const { return ns_; }
  /// Whether gaps have been so long that it does not get any less.
  bool least() const { return ns_ <= most_ns_ / kLeastShare; }

 private:
  static constexpr uint64_t kLeastShare = 16;
  static constexpr uint32_t kTriedEach = 16;
  uint64_t most_ns_ = 0;
  uint64_t paid_ns_ = 0;
  uint64_t ns_ = 0;
  uint32_t gaps_ = 0;
};

}  // namespace ptnet
