// The beginning of a packet for somebody who believes its virtio-net header: checked, written anew from what was found,
// and copied, so that its sender cannot change any more what was looked at.
#pragma once

#include <cstdint>

#include "packet/offload.h"
#include "ring/rx_writer.h"

namespace ptnet {

/// A header that asks for what CheckOffload() has found, and nothing else.
VirtioNetHdr HeaderFor(const VirtioNetHdr& asked, const Offload& offload) noexcept;

class VnetHead {
 public:
  /// Looks at a packet whose sender has a header of `from` bytes, for a receiver with one of `to` bytes, 10 or 12.
  /// @return kCount; kBadVnet for a header that lies, kBadLen for less than a frame.
  Drop Open(const Pieces& packet, uint32_t from, uint32_t to) noexcept;

  /// What goes out first: the header, and as much of the frame as was looked at.
  const uint8_t* data() const noexcept { return bytes_; }
  uint32_t len() const noexcept { return len_; }
  /// So many bytes of the packet are in that already: what follows is still the sender's memory.
  uint32_t taken() const noexcept { return taken_; }
  /// What the receiver has to do.
  Offload::Work work() const noexcept { return work_; }
  bool udp() const noexcept { return udp_; }

 private:
  uint32_t len_ = 0, taken_ = 0;
  Offload::Work work_ = Offload::Work::kNone;
  bool udp_ = false;
  uint8_t bytes_[VirtioNetHdr::kVnetHdrLong + kHeadMax];
};

}  // namespace ptnet
