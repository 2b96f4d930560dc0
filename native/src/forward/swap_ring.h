// Packets for one rx ring of a zero-copy monitor: their buffers come here, and those that lay here go where they were.
// One for each ring, whoever's packets they are.
#pragma once

#include <array>
#include <optional>

#include "datapath/peer_memory.h"
#include "ring/rx_writer.h"

namespace ptnet {

/// Of the slots that are done with: those with NS_TXMON, those without, or all.
using WhichSlots = std::optional<bool>;

/// One ring whose packets come, by whoever serves it.
struct SwapSource {
  WhichSlots which;
  uint16_t flag = 0;    // of each slot where it comes
  bool midway = false;  // the beginning of a packet was given back without its end
};

class SwapRing {
 public:
  SwapRing(Kring& k, PeerMemory& memory) : k_(k), memory_(memory) {}

  /// Takes the packets of so many slots of a ring of the same region, as they are, virtio-net header and all. What
  /// there is no room for is counted. A packet may come in parts: its beginning lies behind the ring's tail until its
  /// end is there, for two sources at most. Several threads may call it, for sources of their own.
  void Take(SwapSource& source, Kring& from, uint32_t first, uint32_t slots) noexcept;
  /// The source begins anew, as `fresh`; while nobody calls Take() for it.
  void Reset(SwapSource* source, const SwapSource& fresh) noexcept;

 private:
  /// A packet, or its beginning: the slots that it has, and their bytes.
  struct Part {
    const SwapSource* of = nullptr;
    uint32_t slots = 0;
    uint64_t bytes = 0;
  };

  void TakeSlots(SwapSource& source, Kring& from, uint32_t first, uint32_t slots) noexcept;
  Drop Swap(RxWriter& to, Part* packet, Kring& from, uint32_t i, SlotWord w, uint16_t flag) noexcept;
  void End(RxWriter& to, const Part& packet) noexcept;
  Part Pop(const SwapSource& source) noexcept;
  void Rotate(uint32_t from, uint32_t first, uint32_t second) noexcept;
  uint32_t Waiting() const { return parts_[0].slots + parts_[1].slots; }

  Kring& k_;
  PeerMemory& memory_;
  // Under the ring's lock.
  std::array<Part, 2> parts_;  // beginnings that wait, behind the tail in this order; those without slots are last
  uint32_t tail_ = 0;          // where the ring ended when they were put there
};

}  // namespace ptnet
