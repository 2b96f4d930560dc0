// Rings with offsets, for their tests: packets are put and taken where slots say.
#pragma once

#include <algorithm>
#include <vector>

#include "forward/offsets.h"
#include "guest.h"

namespace ptnet::test {

inline constexpr uint32_t kBuf = 2048;

inline std::shared_ptr<Port> Unowned(Port& port) { return {std::shared_ptr<void>(), &port}; }

inline Status TryOffsets(Engine& engine, Port& port, const OffsetsAsked& asked, OffsetsGiven* given,
                         bool shared = false) {
  const std::vector<bool> all(port.rings(), true), others(port.rings(), shared);
  return SetOffsets(engine, {{Unowned(port), all, others}}, asked, given);
}

inline void Offsets(Engine& engine, Port& port, const OffsetsAsked& asked) {
  OffsetsGiven given;
  CHECK_OK(TryOffsets(engine, port, asked, &given));
  CHECK_EQ(given.max, asked.max);
  CHECK_EQ(given.bits, asked.bits);
}

inline uint64_t MaskOf(GuestRing& ring) { return ring.header()->offset_mask; }
inline uint64_t OffsetOf(GuestRing& ring, uint32_t i) { return ring.slot(i).ptr & MaskOf(ring); }

/// A packet of one slot that begins there; Publish() makes it visible.
inline void PutAt(GuestRing& ring, const std::vector<uint8_t>& packet, uint32_t offset) {
  CHECK(ring.Mine() > 0);
  CHECK(offset + packet.size() <= kBuf);
  memset(ring.data(ring.head), 0xee, kBuf);
  std::copy(packet.begin(), packet.end(), ring.data(ring.head) + offset);
  ring.slot(ring.head).ptr = (ring.slot(ring.head).ptr & ~MaskOf(ring)) | offset;
  ring.slot(ring.head).len = static_cast<uint16_t>(packet.size());
  ring.slot(ring.head).flags = 0;
  ring.head = ring.Next(ring.head);
}

/// The next packet, from where its slots say that it is; they are given back by Publish().
inline std::vector<uint8_t> TakeAt(GuestRing& ring, std::vector<uint64_t>* offsets = nullptr) {
  std::vector<uint8_t> packet;
  if (offsets != nullptr) offsets->clear();
  if (ring.Mine() == 0) return packet;
  for (bool more = true; more; ring.head = ring.Next(ring.head)) {
    const uint64_t offset = OffsetOf(ring, ring.head);
    CHECK(offset + ring.slot(ring.head).len <= kBuf);
    const uint8_t* const from = ring.data(ring.head) + offset;
    packet.insert(packet.end(), from, from + ring.slot(ring.head).len);
    if (offsets != nullptr) offsets->push_back(offset);
    more = ring.slot(ring.head).flags & NS_MOREFRAG;
  }
  return packet;
}

}  // namespace ptnet::test
