// VALE's data path, the receiver's half: copies packets for a guest into one rx ring.
#pragma once

#include <emmintrin.h>

#include "datapath/peer_memory.h"
#include "forward/vale.h"
#include "ring/rx_writer.h"

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
  bool waits = false;        // nothing was taken: the destination is full and may soon have room
  bool busy = false;         // nothing was taken: somebody else delivers there, and the budget says not to wait
  bool mixed = false;        // it ended because the next packet is not of its kind
  bool bad_buf = false;      // its next packet would go to a slot without a buffer of its region
  uint32_t packets = 0;
  uint64_t bytes = 0;
  HeldDrops drops{};  // of the destination

  /// Whether `packet` is from and to the same stations as the first.
  bool Matches(const uint8_t* packet) const;
};

class ValeDelivery {
 public:
  ValeDelivery(Kring& k, const PeerMemory& memory) : k_(k), memory_(memory), to_(k) {}
  /// As SwitchMember::Deliver and SwitchMember::DeliverRun.
  bool Deliver(MemberPackets* packets, const Budget& budget, Used* used) noexcept;
  bool DeliverRun(ValeRun* run) noexcept;

 private:
  /// Takes the lock, unless the budget says not to wait for it.
  bool Locked(const Budget& budget) noexcept {
    if (!budget.may_wait) return k_.lock.TryLock();
    k_.lock.Lock();
    return true;
  }
  /// False, counted once, while the guest's indices are wrong, and when there is none, or it is not to be touched now.
  /// Nobody serves an rx ring, so it is tried again with each delivery.
  bool Open() noexcept {
    if (memory_.paused() || !to_.Open()) return false;
    k_.Unblock();
    k_.DisableKicks();  // a ring that was mended in time still has them enabled
    return true;
  }
  void Put(MemberPackets* packets, uint64_t bytes_most) noexcept;
  void PutWithVnetHdr(MemberPackets* packets, uint64_t bytes_most) noexcept;
  void Put(ValeRun* run) noexcept;
  bool MustWait(const ValeRun& run) noexcept;
  uint32_t CopyOne(ValeRun* run) noexcept;
  uint32_t CopyRun(ValeRun* run, uint32_t most) noexcept;
  uint32_t Fit(const ValeRun& run, uint32_t left) const noexcept;
  void DropNext(ValeRun* run, Drop cause) noexcept;

  Kring& k_;
  const PeerMemory& memory_;
  RxWriter to_;
};

}  // namespace ptnet
