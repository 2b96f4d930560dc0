// Takes packets out of RX rings: counts them, and checks what they say at the levels that look inside.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "config.h"

namespace ptnet::guest {

/// Looks at whole packets in a ring and remembers the streams; one serves all rings of a loop.
class Inspector {
 public:
  Inspector(uint64_t first_seq, uint32_t max_buf_size, uint32_t vnet_hdr_len)
      : tracker_(first_seq), vnet_hdr_len_(vnet_hdr_len) {
    scratch_.resize(static_cast<size_t>(kMaxFrags) * max_buf_size);
  }

  struct Packet {
    uint32_t slots;
    uint32_t bytes;
  };

  /// Checks the packet that starts at slot `at`, at most `limit` slots long. Levels kStamp and kFull.
  template <Payload P>
  Packet Inspect(const Ring& ring, uint32_t at, uint32_t limit) {
    const netmap_slot& slot = ring.slots[at];
    const uint32_t buf_idx = slot.buf_idx;
    const uint32_t len = slot.len;
    if (buf_idx >= ring.buf_count || len > ring.buf_size) [[unlikely]] {
      tracker_.AddCorrupt();
      return {CountSlots(ring, at, limit), len};
    }
    if ((slot.flags & NS_MOREFRAG) == 0) [[likely]] {
      CheckBehindHeader<P>(ring.Buffer(buf_idx), len);
      return {1, len};
    }
    return InspectFragmented<P>(ring, at, limit);
  }

  const StreamTracker& tracker() const { return tracker_; }

 private:
  template <Payload P>
  void CheckBehindHeader(const uint8_t* packet, uint32_t len) {
    if (len < vnet_hdr_len_) [[unlikely]]
      tracker_.AddCorrupt();
    else
      tracker_.Check<P>(packet + vnet_hdr_len_, len - vnet_hdr_len_);
  }

  static uint32_t CountSlots(const Ring& ring, uint32_t at, uint32_t limit) {
    uint32_t n = 1;
    for (; n < limit && (ring.slots[at].flags & NS_MOREFRAG) != 0; ++n) at = ring.Next(at);
    return n;
  }

  template <Payload P>
  Packet InspectFragmented(const Ring& ring, uint32_t at, uint32_t limit) {
    uint32_t bytes = 0;
    uint32_t n = 0;
    bool more = true;
    bool good = true;
    while (more && n < limit) {
      const netmap_slot& slot = ring.slots[at];
      const uint32_t buf_idx = slot.buf_idx;
      const uint32_t len = slot.len;
      more = (slot.flags & NS_MOREFRAG) != 0;
      good = good && n < kMaxFrags && buf_idx < ring.buf_count && len <= ring.buf_size;
      if (good && (P == Payload::kFull || bytes < vnet_hdr_len_ + kMinProbe))
        std::memcpy(scratch_.data() + bytes, ring.Buffer(buf_idx), len);
      bytes += len;
      ++n;
      at = ring.Next(at);
    }
    if (good && !more)
      CheckBehindHeader<P>(scratch_.data(), bytes);
    else
      tracker_.AddCorrupt();
    return {n, bytes};
  }

  StreamTracker tracker_;
  uint32_t vnet_hdr_len_;
  std::vector<uint8_t> scratch_;  // a fragmented packet, put together
};

/// The slots from head on that hold whole packets: `burst` at most, or one packet when that is longer. A run of
/// fragments longer than any packet may be is let through: a ring full of it would never move again.
inline uint32_t WholePackets(const Ring& ring, uint32_t burst) {
  const uint32_t available = ring.Available();
  const auto trim = [&ring](uint32_t n) {
    while (n > 0 && (ring.slots[ring.Advance(ring.head, n - 1)].flags & NS_MOREFRAG) != 0) --n;
    return n;
  };
  const uint32_t whole = trim(std::min(available, burst));
  if (whole != 0 || available == 0) [[likely]]
    return whole;
  const uint32_t longest = std::min(kMaxFrags, ring.num_slots - 1);
  const uint32_t longer = trim(std::min(available, longest));
  return longer == 0 && available >= longest ? longest : longer;
}

/// Counts the packets in slots [from, from + n), which do not wrap, by their last fragments.
inline Traffic CountRun(const netmap_slot* slots, uint32_t n) {
  uint32_t packets = 0;
  uint64_t bytes = 0;
  uint32_t i = 0;
  // In fours, as long as each is a packet of its own.
  for (; n - i >= 4; i += 4) {
    const uint64_t a = SlotWord(slots[i]), b = SlotWord(slots[i + 1]);
    const uint64_t c = SlotWord(slots[i + 2]), d = SlotWord(slots[i + 3]);
    if (((a | b | c | d) >> 48 & NS_MOREFRAG) != 0) break;
    const auto len = [](uint64_t word) { return word >> 32 & 0xffff; };
    bytes += len(a) + len(b) + len(c) + len(d);
    packets += 4;
  }
  for (; i < n; ++i) {
    bytes += slots[i].len;
    packets += (slots[i].flags & NS_MOREFRAG) == 0 ? 1 : 0;
  }
  return {packets, bytes};
}

/// Takes up to `burst` slots and at most `limit` packets, and moves head past them; does not publish.
template <Payload P>
inline Traffic Take(Ring& ring, Inspector& inspector, uint32_t burst, uint64_t limit) {
  Traffic taken;
  const uint32_t available = ring.AvailableOrRefresh(1);
  if constexpr (P == Payload::kNone) {
    const uint32_t n = static_cast<uint32_t>(std::min<uint64_t>(std::min(available, burst), limit));
    const uint32_t first = std::min(n, ring.num_slots - ring.head);
    taken = CountRun(ring.slots + ring.head, first);
    if (n > first) {
      const Traffic rest = CountRun(ring.slots, n - first);
      taken.packets += rest.packets;
      taken.bytes += rest.bytes;
    }
    ring.head = ring.Advance(ring.head, n);
    return taken;
  }
  const uint32_t whole = WholePackets(ring, burst);
  ring.starved = whole == 0;
  uint32_t done = 0;
  while (done < whole && taken.packets < limit) {
    const uint32_t ahead = done + kPrefetch < whole ? ring.Advance(ring.head, kPrefetch) : ring.head;
    __builtin_prefetch(ring.Buffer(ring.slots[ahead].buf_idx));
    const Inspector::Packet packet = inspector.Inspect<P>(ring, ring.head, whole - done);
    done += packet.slots;
    ring.head = ring.Advance(ring.head, packet.slots);
    ++taken.packets;
    taken.bytes += packet.bytes;
  }
  return taken;
}

}  // namespace ptnet::guest
