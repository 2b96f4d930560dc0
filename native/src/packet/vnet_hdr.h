// The virtio-net header that a packet may begin with: what its sender has left to be done (VIRTIO 1.3, 5.1.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ptnet {

/// Bits of VirtioNetHdr::flags.
enum : uint8_t {
  VIRTIO_NET_HDR_F_NEEDS_CSUM = 1,  // the checksum field holds the sum of the pseudo-header only
  VIRTIO_NET_HDR_F_DATA_VALID = 2,
};

/// VirtioNetHdr::gso_type.
enum : uint8_t {
  VIRTIO_NET_HDR_GSO_NONE = 0,
  VIRTIO_NET_HDR_GSO_TCPV4 = 1,
  VIRTIO_NET_HDR_GSO_UDP = 3,  // IP fragments
  VIRTIO_NET_HDR_GSO_TCPV6 = 4,
  VIRTIO_NET_HDR_GSO_UDP_L4 = 5,  // a datagram for each segment
  VIRTIO_NET_HDR_GSO_ECN = 0x80,
};

/// Little-endian, as this machine is. A header of 10 bytes ends before num_buffers, which nobody here looks at.
struct VirtioNetHdr {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;      // of all headers up to the payload: a hint
  uint16_t gso_size;     // bytes of payload in a segment
  uint16_t csum_start;   // from here to the end of the packet is summed up
  uint16_t csum_offset;  // from csum_start to where the sum belongs
  uint16_t num_buffers;

  /// One of `len` bytes, 10 or 12, at `p`.
  static VirtioNetHdr Load(const uint8_t* p, uint32_t len = kVnetHdrShort) {
    VirtioNetHdr h{};
    memcpy(&h, p, kVnetHdrShort);
    if (len == kVnetHdrLong) memcpy(&h.num_buffers, p + kVnetHdrShort, sizeof h.num_buffers);
    return h;
  }
  /// Nothing is said; what is in the other fields has no meaning then.
  bool Empty() const { return (flags | gso_type | hdr_len) == 0; }
  /// Whether something is left to be done before somebody who knows nothing of it gets the packet.
  bool Offloads() const { return (flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || gso_type != VIRTIO_NET_HDR_GSO_NONE; }

  static constexpr uint32_t kVnetHdrShort = 10, kVnetHdrLong = 12;
};
static_assert(sizeof(VirtioNetHdr) == VirtioNetHdr::kVnetHdrLong);
static_assert(offsetof(VirtioNetHdr, gso_size) == 4 && offsetof(VirtioNetHdr, csum_start) == 6);
static_assert(offsetof(VirtioNetHdr, num_buffers) == VirtioNetHdr::kVnetHdrShort);

}  // namespace ptnet
