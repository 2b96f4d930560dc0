// A packet in one piece on its way between two who have the same virtio-net header, which asks for something.
#pragma once

#include <cstdint>

namespace ptnet {

/// Copies a packet of `len` bytes, with the header of `hdr_len` bytes and an Ethernet header at least, as it is. What
/// was looked at is what is copied, whatever its sender writes there meanwhile.
/// @return false for a header that lies; then nothing was copied.
bool CopyWithVnetHdr(uint8_t* to, const uint8_t* from, uint32_t len, uint32_t hdr_len) noexcept;

}  // namespace ptnet
