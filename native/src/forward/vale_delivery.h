// VALE's data path, the receiver's half: copies one chain of packets into an rx ring of the destination.
#pragma once

#include <emmintrin.h>

#include "forward/vale.h"

namespace ptnet {

/// A run of packets that the sender's ring holds, and what became of it.
struct ValeRun {
  const Kring& from;
  const Budget& budget;
  __m128i stations;  // the first 12 bytes are the two addresses
  uint32_t head;     // the run ends here at the latest
  uint32_t end;      // behind the last packet taken
  bool may_defer = false;
  uint32_t room_wanted = 1;  // with less the packets stay where they are, if they may
  bool waits = false;  // nothing was taken: the destination is full and may soon have room
  bool busy = false;   // nothing was taken: somebody else delivers there, and the budget says not to wait
  bool mixed = false;    // it ended because the next packet is not of its kind
  bool bad_buf = false;  // its next packet would go to a slot without a buffer of its region
  uint32_t packets = 0;
  uint64_t bytes = 0;

  bool Matches(const uint8_t* packet) const;
};

class ValeDelivery {
 public:
  /// The rx ring follows from the number of the tx ring, so that what one ring sends stays in order.
  ValeDelivery(const ValeFlow& from, ValePort& to, uint32_t tx_ring);
  /// Delivers the packets of two chains, merged in the order in which they were sent; what does not fit is dropped and
  /// counted at the destination. False when the budget, or a lock that is held, leaves some of them to the next poll.
  bool Deliver(ValeFlow::Left* left, const Budget& budget, Used* used) noexcept;
  /// Delivers the packets at the beginning of the sender's ring that belong to the run. False, and nothing done, when
  /// the destination is not being served.
  bool DeliverRun(ValeRun* run) noexcept;

 private:
  bool Open() noexcept;
  Interrupt* DeliverLocked(ValeRun* run) noexcept;
  Interrupt* DeliverLocked(ValeFlow::Left* left, const Budget& budget, Used* used) noexcept;
  bool MustWait(const ValeRun& run) noexcept;
  uint32_t CopyRun(ValeRun* run, uint32_t most, uint64_t* bytes) noexcept;
  void DropNext(ValeRun* run, Drop cause) noexcept;
  bool MustCut(uint16_t first) const noexcept;
  bool Room(uint32_t slots) noexcept;
  bool CopySlot(const Frag& frag) noexcept;
  bool CopyWhole(uint16_t first) noexcept;
  bool CopyCut(uint16_t first, uint32_t slots) noexcept;
  bool Locked(const Budget& budget) noexcept;
  uint16_t TakeNext(ValeFlow::Left* left) const noexcept;

  const ValeFlow& from_;
  Kring& k_;
  uint32_t tail_ = 0;
  uint32_t space_ = 0;
};

}  // namespace ptnet
