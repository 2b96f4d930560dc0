// How long an idle flow is polled before it is parked: as long as has paid lately, up to what its policy allows.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ptnet {

/// A gap is the time from when a flow has become idle until it has work again. Polling pays when the gap ends before
/// the limit: then the work is found at once, and its guest need not kick. Where gaps are longer each of them would
/// cost the whole limit for nothing, so the time is halved with each that was polled in full, down to a sixteenth.
///
/// A flow in bulk use has a limit of kBulk times as much: its guest fills or empties a whole ring in the gap, or is on
/// its way back from sleep, and a kick would hold it up at its work.
///
/// What a parked flow shows is longer than the gap by what the kick takes, which may be more than the limit. So a gap
/// that was not polled in full may have been short all the same: the whole limit is tried soon after, and ever more
/// seldom while gaps are long indeed.
class SpinTime {
 public:
  void Configure(uint64_t most_ns) {
    *this = SpinTime();
    ns_ = limit_ns_ = most_ns_ = most_ns;
  }
  /// The flow has moved so much, perhaps in several steps, since it last became idle.
  void Moved(uint64_t slots) { moved_ += slots; }
  /// The flow has become idle.
  void Begin() {
    slots_ = (kSteady * slots_ + std::min(moved_, kSlotsMost) * kSlotsUnit) / (kSteady + 1);
    moved_ = 0;
    limit_ns_ = bulk() ? kBulk * most_ns_ : most_ns_;
    const bool tried = doubtful_ >= tried_each_;
    if (tried) doubtful_ = 0;
    ns_ = tried ? limit_ns_ : std::max(limit_ns_ >> halved_, most_ns_ / kLeastShare);
  }
  /// Work came so long after the flow had become idle, whether it was polled all the time or parked.
  void Saw(uint64_t gap_ns) {
    if (gap_ns <= limit_ns_) {
      halved_ = doubtful_ = 0;
      tried_each_ = 1;
      credit_ = std::min(credit_ + 1, kCreditMost);
      return;
    }
    const bool doubtful = ns_ < limit_ns_;
    doubtful_ += doubtful ? 1 : 0;
    if (!doubtful && credit_ >= kLongCosts) {
      credit_ -= kLongCosts;
      return;
    }
    credit_ = 0;
    const uint32_t share = bulk() ? kBulk * kLeastShare : kLeastShare;
    if ((1u << halved_) < share) halved_++;
    if (!doubtful || gap_ns - limit_ns_ > kKickMostNs) tried_each_ = std::min(kSeldomer * tried_each_, kTriedEachMost);
  }
  /// How long it is to be polled this time.
  uint64_t ns() const { return ns_; }
  /// Whether gaps have been so long that it does not get any less.
  bool least() const { return ns_ <= most_ns_ / kLeastShare; }

 private:
  static constexpr uint32_t kLeastShare = 16;
  static constexpr uint64_t kKickMostNs = 1'000'000;
  static constexpr uint32_t kBulk = 4;
  static constexpr uint64_t kBulkSlots = 64;    // between two gaps, on average
  static constexpr uint64_t kSlotsMost = 1024;  // that count of one time
  static constexpr uint64_t kSlotsUnit = 16;    // parts of a slot that the average is kept in
  static constexpr uint64_t kSteady = 3;        // the average's weight beside the newest
  static constexpr uint32_t kSeldomer = 4;      // with each long gap: times as many before the next try
  static constexpr uint32_t kTriedEachMost = 64;
  // A long gap that was polled costs the host more than a kick costs a guest. As long as short ones have
  // earned that, a single long one does not shorten the time.
  static constexpr uint32_t kLongCosts = 4;
  static constexpr uint32_t kCreditMost = 8;

  bool bulk() const { return slots_ >= kBulkSlots * kSlotsUnit; }

  uint64_t most_ns_ = 0;
  uint64_t limit_ns_ = 0;  // most_ns_, or kBulk times that
  uint64_t ns_ = 0;
  uint64_t moved_ = 0;       // slots since the last gap
  uint64_t slots_ = 0;       // between two gaps: a moving average
  uint32_t halved_ = 0;      // times
  uint32_t credit_ = 0;      // of short gaps
  uint32_t doubtful_ = 0;    // gaps since the last try that were not polled in full, nor short
  uint32_t tried_each_ = 1;  // so many of those
};

}  // namespace ptnet
