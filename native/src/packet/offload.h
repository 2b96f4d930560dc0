// What a virtio-net header asks for, checked against the frame behind it: a header may lie in every field.
#pragma once

#include <cstdint>

#include "packet/frame.h"
#include "packet/vnet_hdr.h"
#include "stats/counters.h"

namespace ptnet {

inline constexpr uint32_t kEthernetLen = 14;
/// Bytes from the Ethernet header on within which everything lies that an offload changes.
inline constexpr uint32_t kHeadMax = 512;
/// Of one packet, so that small segments make no endless work of it: at 64 KiB those of 64 bytes are allowed.
inline constexpr uint32_t kSegmentsMax = 1024;

struct Offload {
  enum class Work : uint8_t {
    kNone,
    kChecksum,  // one sum is to be completed
    kSegment,   // the packet is to be cut into segments with a checksum each
  };
  Work work = Work::kNone;
  FrameHeaders at;
  uint32_t csum_start = 0;
  uint32_t csum_field = 0;  // offset of the checksum from the Ethernet header
  uint32_t mss = 0;         // payload of every segment but the last
};

/// @param head the first `have` bytes of a frame of `len` bytes: all of it, or kHeadMax.
/// @param mtu the largest IP packet that the receiver takes; 0: no matter.
/// @return kCount; kBadVnet for a header that lies; kTooLong when its datagrams are too long for the receiver, which
/// cannot be cut as TCP's segments can.
Drop CheckOffload(const VirtioNetHdr& hdr, const uint8_t* head, uint32_t have, uint32_t len, uint32_t mtu,
                  Offload* out) noexcept;

}  // namespace ptnet
