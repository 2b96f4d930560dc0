// A histogram of times that keeps their relative precision: 128 buckets for each power of two, so 1 % at worst.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace ptnet::guest {

/// Some order statistics of what was recorded, ns.
struct Percentiles {
  uint64_t count = 0;
  uint64_t p50 = 0;
  uint64_t p99 = 0;
  uint64_t p999 = 0;
  uint64_t max = 0;
};

class Histogram {
 public:
  static constexpr uint32_t kSubBits = 7;
  static constexpr uint64_t kMax = (uint64_t{1} << 40) - 1;  // 18 minutes; what is longer counts as this

  /// Negative times, which clocks of several processors may give, count as 0.
  void Record(int64_t ns) {
    const uint64_t value = ns < 0 ? 0 : std::min(static_cast<uint64_t>(ns), kMax);
    ++buckets_[BucketOf(value)];
    ++count_;
    max_ = std::max(max_, value);
  }

  uint64_t count() const { return count_; }

  /// The value that a share of `thousandths` of all does not exceed, to within its bucket. 0 when there is none.
  uint64_t At(uint64_t thousandths) const {
    const uint64_t wanted = std::max<uint64_t>(1, (count_ * thousandths + 999) / 1000);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen >= wanted) return std::min(MiddleOf(i), max_);
    }
    return 0;
  }

  Percentiles Summary() const { return {count_, At(500), At(990), At(999), max_}; }

 private:
  static constexpr uint32_t kSub = 1u << kSubBits;
  static constexpr uint32_t kBuckets = (40 - kSubBits + 1) * kSub;

  /// Below 128 every value has its bucket; above, the seven bits after the leading one choose it.
  static uint32_t BucketOf(uint64_t value) {
    if (value < kSub) return static_cast<uint32_t>(value);
    const uint32_t shift = static_cast<uint32_t>(std::bit_width(value)) - 1 - kSubBits;
    return (shift + 1) * kSub + static_cast<uint32_t>((value >> shift) & (kSub - 1));
  }

  static uint64_t MiddleOf(uint32_t bucket) {
    if (bucket < 2 * kSub) return bucket;
    const uint32_t shift = bucket / kSub - 1;
    return ((uint64_t{kSub} + bucket % kSub) << shift) + (uint64_t{1} << shift) / 2;
  }

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace ptnet::guest
