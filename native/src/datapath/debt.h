// Time that one device takes of others, and how much of it is forgiven.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ptnet {

/// `free_ns` at once are free, and a thousandth of the time that passes.
class Debt {
 public:
  static constexpr uint64_t kNsForCredit = 1000;

  explicit constexpr Debt(uint64_t free_ns) : free_ns_(free_ns) {}

  /// True when that is more than is free.
  bool Add(uint64_t took_ns, uint64_t now_ns) noexcept {
    const uint64_t credit = (now_ns - since_ns_) / kNsForCredit;
    since_ns_ = now_ns;
    owed_ns_ = owed_ns_ - std::min(owed_ns_, credit) + took_ns;
    return owed_ns_ > free_ns_;
  }
  /// When no more than is free will be left.
  uint64_t PaidAt() const noexcept { return since_ns_ + (owed_ns_ - std::min(owed_ns_, free_ns_)) * kNsForCredit; }

 private:
  const uint64_t free_ns_;
  uint64_t owed_ns_ = 0, since_ns_ = 0;
};

}  // namespace ptnet
