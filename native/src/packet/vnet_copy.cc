// CopyWithVnetHdr: a copy of what is looked at, checked, and the rest.
#include "packet/vnet_copy.h"

#include <algorithm>

#include "packet/offload.h"
#include "ring/copy.h"

namespace ptnet {

bool CopyWithVnetHdr(uint8_t* to, const uint8_t* from, uint32_t len, uint32_t hdr_len) noexcept {
  uint8_t head[VirtioNetHdr::kVnetHdrLong + kHeadMax];
  const uint32_t frame = len - hdr_len, have = std::min(frame, kHeadMax), looked_at = hdr_len + have;
  memcpy(head, from, looked_at);
  Offload offload;
  if (CheckOffload(VirtioNetHdr::Load(head), head + hdr_len, have, frame, 0, &offload) != Drop::kCount) return false;
  memcpy(to, head, looked_at);
  CopyPacket(to + looked_at, from + looked_at, len - looked_at);
  return true;
}

}  // namespace ptnet
