// CheckOffload: the header's fields one by one.
#include "packet/offload.h"

#include <algorithm>

namespace ptnet {
namespace {

constexpr uint32_t kIpPacketMax = 65535, kIp6Header = 40;

/// Whether a sum from csum_start on, written csum_offset bytes behind, can be that of a transport header of this frame.
/// In the payload of other protocols than TCP there may be another frame, or another IP packet.
bool IsChecksum(const VirtioNetHdr& hdr, const FrameHeaders& at) {
  if (hdr.csum_offset % 2 != 0) return false;
  if (at.version == 0) return true;
  if (at.l4 == 0 || at.fragment || hdr.csum_start < at.l4) return false;
  if (at.protocol == kProtocolTcp) return hdr.csum_start == at.l4 && hdr.csum_offset == kTcpChecksum;
  if (at.protocol != kProtocolUdp) return true;
  return hdr.csum_start == at.l4 ? hdr.csum_offset == kUdpChecksum : hdr.csum_start >= at.l4 + kUdpHeader;
}

/// Whether the frame is of the kind that is to be segmented. GSO_UDP, IP fragments, is offered to nobody.
bool IsSegmentable(const VirtioNetHdr& hdr, const FrameHeaders& at) {
  if (at.payload == 0 || hdr.csum_start != at.l4) return false;
  const bool tcp = at.protocol == kProtocolTcp;
  switch (hdr.gso_type) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
    case VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN:
      return tcp && at.version == 4;
    case VIRTIO_NET_HDR_GSO_TCPV6:
    case VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN:
      return tcp && at.version == 6;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
      return !tcp;
    default:
      return false;
  }
}

Drop CheckSegments(const VirtioNetHdr& hdr, uint32_t len, uint32_t mtu, Offload* out) {
  if (hdr.gso_size == 0 || !IsSegmentable(hdr, out->at)) return Drop::kBadVnet;
  const uint32_t payload = len - out->at.payload, headers = out->at.payload - out->at.l3;
  uint32_t mss = hdr.gso_size;
  // The length of a packet of IPv6 that is longer than any is in an option (RFC 2675), which no segment may have.
  const bool option = out->at.version == 6 && out->at.l4 > out->at.l3 + kIp6Header;
  if (mtu != 0 && option && headers + payload > kIpPacketMax) return Drop::kTooLong;
  if (mtu != 0 && headers + std::min(mss, payload) > mtu) {
    if (out->at.protocol == kProtocolUdp || headers >= mtu) return Drop::kTooLong;
    mss = mtu - headers;
  }
  if (payload <= mss) return Drop::kCount;
  if (headers + mss > kIpPacketMax || payload > uint64_t{mss} * kSegmentsMax) return Drop::kBadVnet;
  out->work = Offload::Work::kSegment;
  out->mss = mss;
  return Drop::kCount;
}

}  // namespace

Drop CheckOffload(const VirtioNetHdr& hdr, const uint8_t* head, uint32_t have, uint32_t len, uint32_t mtu,
                  Offload* out) noexcept {
  constexpr uint8_t kKnown = VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID;
  out->work = Offload::Work::kNone;
  if ((hdr.flags & ~kKnown) || hdr.hdr_len > len) return Drop::kBadVnet;
  // Segments without a checksum of their own there are none.
  if (!(hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
    return hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE ? Drop::kCount : Drop::kBadVnet;
  out->csum_start = hdr.csum_start;
  out->csum_field = uint32_t{hdr.csum_start} + hdr.csum_offset;
  if (hdr.csum_start < kEthernetLen || out->csum_field + 2 > have) return Drop::kBadVnet;
  out->at = ParseFrame(head, have);
  if (!IsChecksum(hdr, out->at)) return Drop::kBadVnet;
  out->work = Offload::Work::kChecksum;
  return hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE ? Drop::kCount : CheckSegments(hdr, len, mtu, out);
}

}  // namespace ptnet
