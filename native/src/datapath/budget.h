// How much one Flow::Poll may cost, and what it did cost: the same question for a worker's round, for a kick that is
// served where it arrives, for policy inline and for the end of an attachment, asked with other numbers.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ptnet {

/// What a Poll used. A Poll that moved nothing has `moved` false, whatever it looked at.
struct Used {
  bool moved = false;
  uint32_t slots = 0;         // taken from, or put into, the flow's own ring: those of a batch by the poll that ends it
  uint32_t bytes = 0;         // of payload that was read or written: for a switch once for each destination
  uint32_t destinations = 0;  // rings of others that were locked, published and notified
};

/// What a Poll may use. It may exceed `bytes` and `slots` by one packet to one destination: less than a packet is no
/// work, and there is always room for one. Where it stopped, the next Poll goes on.
struct Budget {
  uint32_t slots;
  uint32_t bytes;
  uint32_t destinations;
  /// Whether it may wait for a lock that another thread holds; else what would need it is left for the next Poll.
  bool may_wait;
  /// Whether packets may stay in their ring until their destination has room; else they are dropped.
  bool may_defer;
  /// Whether it is to be found out whose memory keeps the poll waiting: it copies first what it reads.
  bool measured = false;

  /// Whether nothing is left of one kind at least: 0, or less, which is a number above the largest one here.
  bool spent() const { return !(IsLeft(slots) && IsLeft(bytes) && IsLeft(destinations)); }
  /// What is left after a Poll, which may have used a little more than there was.
  void Take(const Used& used) {
    slots -= used.slots;
    bytes -= used.bytes;
    destinations -= used.destinations;
  }

 private:
  static bool IsLeft(uint32_t number) { return static_cast<int32_t>(number) > 0; }
};

/// Of one flow in one round of its worker: what every other flow of the worker may have to wait for.
inline constexpr Budget kRoundBudget{
    .slots = 1024, .bytes = 1 << 20, .destinations = 64, .may_wait = true, .may_defer = true};

/// Of all that is served where a kick arrives, by a thread that others need, while a virtual CPU waits for it: more
/// than one packet of the largest kind, so that its flow is parked again as well.
inline constexpr Budget kKickBudget{
    .slots = 64, .bytes = 96 << 10, .destinations = 4, .may_wait = false, .may_defer = true};

/// Of one ring, by the control plane: policy inline, and, in pieces, what was published before an attachment ends.
inline constexpr Budget kSyncBudget{
    .slots = 16384, .bytes = 32 << 20, .destinations = 8192, .may_wait = true, .may_defer = false};

/// The next piece of a larger budget.
inline Budget Piece(const Budget& whole) {
  return {std::min(whole.slots, kRoundBudget.slots),
          std::min(whole.bytes, kRoundBudget.bytes),
          std::min(whole.destinations, kRoundBudget.destinations),
          whole.may_wait,
          whole.may_defer,
          whole.measured};
}

}  // namespace ptnet
