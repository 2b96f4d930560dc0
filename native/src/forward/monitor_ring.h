// Copies of packets for one rx ring of a monitor: what there is no room for is dropped there and counted.
#pragma once

#include <optional>

#include "datapath/stall_timer.h"
#include "forward/onlooker.h"

namespace ptnet {

/// Frames as they are, without a virtio-net header; what was sent has NS_TXMON. Rings of the same number and, for lack
/// of others, of higher ones come here.
class MonitorRing final : public Onlooker {
 public:
  MonitorRing(Kring& k, PeerMemory& memory) : k_(k), memory_(memory) {}

  void OnSlots(const Kring& k, uint32_t first, uint32_t slots) noexcept override;
  void Begin() noexcept override;
  void OnPacket(const Pieces& packet, uint32_t vnet_hdr_len, Way way) noexcept override;
  void End() noexcept override;

 private:
  bool Open() noexcept;
  void Close() noexcept;
  void CopySlots(const Kring& from, uint32_t first, uint32_t slots) noexcept;
  uint32_t CopyRun(const Kring& from, uint32_t first, uint32_t slots, Drop* cause) noexcept;
  uint32_t CopyBlocks(const Kring& from, uint32_t first, uint32_t slots) noexcept;
  bool CopySlot(const Kring& from, uint32_t i, Drop* cause) noexcept;
  void CopyPacket(const Pieces& packet, uint32_t vnet_hdr_len, Way way) noexcept;

  Kring& k_;
  PeerMemory& memory_;
  // Under the ring's lock.
  std::optional<RxWriter> to_;
  std::optional<StallTimer> timer_;
  bool up_ = false;
  Packet packet_;
};

}  // namespace ptnet
