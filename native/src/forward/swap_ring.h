// Packets for one rx ring of a zero-copy monitor: their buffers come here, and those that lay here go where they were.
#pragma once

#include <optional>

#include "datapath/peer_memory.h"
#include "ring/rx_writer.h"

namespace ptnet {

/// Of the slots that are done with: those with NS_TXMON, those without, or all.
using WhichSlots = std::optional<bool>;

/// One ring whose packets come, by whoever serves it.
struct SwapSource {
  WhichSlots which;
  uint16_t flag = 0;        // of each slot where it comes
  uint32_t plain_room = 0;  // as Kring::plain_room, of both rings; set by Take()
  bool midway = false;      // the beginning of a packet was given back without its end: the rest is not taken either
};

class SwapRing {
 public:
  SwapRing(Kring& k, PeerMemory& memory) : k_(k), memory_(memory) {}

  /// Takes the packets of so many slots of a ring of the same region, as they are, virtio-net header and all. What
  /// there is no room for stays where it is, and is counted. Several threads may call it, for sources of their own.
  void Take(SwapSource& source, Kring& from, uint32_t first, uint32_t slots) noexcept;

 private:
  void TakeSlots(SwapSource& source, Kring& from, uint32_t first, uint32_t slots) noexcept;
  Drop Swap(RxWriter& to, Kring& from, uint32_t i, SlotWord w, const SwapSource& source) noexcept;
  Drop TakeOffset(NetmapSlot& place, const Kring& from, uint32_t i, uint32_t len) noexcept;

  Kring& k_;
  PeerMemory& memory_;
};

}  // namespace ptnet
