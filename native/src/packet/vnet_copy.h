// A packet in one piece on its way between two who have the same virtio-net header: it is copied as it is, unless the
// header lies.
#pragma once

#include <emmintrin.h>

#include <cstdint>

#include "packet/vnet_hdr.h"
#include "ring/copy.h"

namespace ptnet {

/// CopyWithVnetHdr() for a header that is not empty.
[[gnu::cold]] bool CopyWhatItAsks(uint8_t* to, const uint8_t* from, uint32_t len, uint32_t hdr_len) noexcept;

/// Copies a packet of `len` bytes, the header of `hdr_len` bytes and an Ethernet header among them. What was looked at
/// is what is copied, whatever its sender writes there meanwhile.
/// @return false for a header that lies; then there is nothing of use in `to`.
inline bool CopyWithVnetHdr(uint8_t* to, const uint8_t* from, uint32_t len, uint32_t hdr_len) noexcept {
  static_assert(offsetof(VirtioNetHdr, gso_size) == sizeof(int), "what VirtioNetHdr::Empty() looks at comes first");
  if (len < hdr_len + 14) __builtin_unreachable();  // so that what is left of it needs no thought of a wrap
  const __m128i begin = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  if (_mm_cvtsi128_si32(begin) != 0) [[unlikely]]
    return CopyWhatItAsks(to, from, len, hdr_len);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), begin);
  CopyPacket(to + hdr_len, from + hdr_len, len - hdr_len);
  return true;
}

}  // namespace ptnet
