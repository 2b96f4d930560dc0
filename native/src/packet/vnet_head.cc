// VnetHead: a copy of what is looked at, and a header that says no more than was found there.
#include "packet/vnet_head.h"

#include <algorithm>
#include <cstring>

namespace ptnet {
namespace {

/// Copies `n` bytes of a packet, behind the first `skip`; it has as many.
void CopyFrom(const Pieces& packet, uint32_t skip, uint8_t* to, uint32_t n) {
  for (const Frag* frag = packet.frags; n > 0; frag++) {
    const uint32_t skipped = std::min(skip, frag->len), take = std::min(n, frag->len - skipped);
    memcpy(to, frag->data + skipped, take);
    skip -= skipped, to += take, n -= take;
  }
}

}  // namespace

VirtioNetHdr HeaderFor(const VirtioNetHdr& asked, const Offload& offload) noexcept {
  VirtioNetHdr hdr{};
  if (offload.work == Offload::Work::kNone) return hdr;
  hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  hdr.csum_start = static_cast<uint16_t>(offload.csum_start);
  hdr.csum_offset = static_cast<uint16_t>(offload.csum_field - offload.csum_start);
  if (offload.work != Offload::Work::kSegment) return hdr;
  hdr.gso_type = asked.gso_type;
  hdr.gso_size = static_cast<uint16_t>(offload.mss);
  hdr.hdr_len = static_cast<uint16_t>(offload.at.payload);
  return hdr;
}

Drop VnetHead::Open(const Pieces& packet, uint32_t from, uint32_t to) noexcept {
  if (packet.len < from + kEthernetLen) return Drop::kBadLen;
  memset(bytes_, 0, to);
  len_ = to;
  taken_ = from;
  work_ = Offload::Work::kNone;
  VirtioNetHdr asked{};
  CopyFrom(packet, 0, reinterpret_cast<uint8_t*>(&asked), from);
  if (asked.Empty()) [[likely]]
    return Drop::kCount;
  const uint32_t frame = packet.len - from, have = std::min(frame, kHeadMax);
  CopyFrom(packet, from, bytes_ + to, have);
  Offload offload;
  if (const Drop cause = CheckOffload(asked, bytes_ + to, have, frame, 0, &offload); cause != Drop::kCount)
    return cause;
  const VirtioNetHdr hdr = HeaderFor(asked, offload);
  memcpy(bytes_, &hdr, to);
  len_ += have;
  taken_ += have;
  work_ = offload.work;
  udp_ = offload.at.protocol == kProtocolUdp;
  return Drop::kCount;
}

}  // namespace ptnet
