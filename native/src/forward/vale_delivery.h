// VALE's data path, the receiver's half: copies one chain of packets into an rx ring of the destination.
#pragma once

#include "forward/vale.h"

namespace ptnet {

class ValeDelivery {
 public:
  /// The rx ring follows from the number of the tx ring, so that what one ring sends stays in order.
  ValeDelivery(const ValeFlow& from, ValePort& to, uint32_t tx_ring);
  /// Delivers two chains, given by their first items (ValeFlow::kEnd for an empty one), merged in the order in which
  /// the packets were sent; what does not fit is dropped and counted at the destination.
  void Deliver(uint16_t unicast, uint16_t flood) noexcept;

 private:
  bool Open() noexcept;
  bool MustCut(uint16_t first) const noexcept;
  bool Room(uint32_t slots) noexcept;
  bool CopyWhole(uint16_t first) noexcept;
  bool CopyCut(uint16_t first, uint32_t slots) noexcept;
  uint16_t TakeNext() noexcept;

  const ValeFlow& from_;
  Kring& k_;
  uint16_t unicast_ = 0, flood_ = 0;  // what is left of the chains
  uint32_t tail_ = 0;
  uint32_t space_ = 0;
};

}  // namespace ptnet
