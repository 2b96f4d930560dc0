// Reads packets from a tx ring: what the guest has published, packet by packet, and one publication and one
// notification for all of a batch.
#pragma once

#include "datapath/notify.h"
#include "ring/kring.h"
#include "ring/packet.h"

namespace ptnet {

/// Whether the guest has published anything that has not been taken yet; `*head` is where it ends.
inline bool LoadWork(Kring& k, uint32_t* head) noexcept {
  *head = k.hwcur;
  return k.attached() && !k.blocked && k.LoadHead(head) && *head != k.hwcur;
}

/// The slots before `done` are the guest's again: recorded, so that it can be counted. ShowTaken() comes next.
inline void TakeUpTo(Kring& k, uint32_t done) noexcept {
  k.hwcur = done;
  k.hwtail = k.Prev(done);
  k.Record();
}

/// One publication, one notification.
inline void ShowTaken(Kring& k) noexcept {
  Add(k.counters->syncs, 1);
  k.Publish();
  Notify(k);
}

class TxReader {
 public:
  explicit TxReader(Kring& k) : k_(k) {}

  /// False when there is nothing: nobody is there, it has published nothing, or its indices are wrong.
  bool Open() noexcept {
    if (!LoadWork(k_, &head_)) return false;
    at_ = next_ = k_.hwcur;
    return true;
  }
  /// Looks at the next packet; false when no whole one is left. It is in the ring until Take() or Drop(). A packet with
  /// a bad slot is dropped and counted on the way.
  bool Peek(Packet* packet) noexcept {
    while (ReadPacket(k_, at_, head_, packet)) {
      next_ = k_.Advance(at_, packet->slots);
      if (packet->good()) return true;
      Drop(packet->cause);
    }
    return false;
  }
  /// The packet that was looked at is done with.
  void Take(const Packet& packet) noexcept {
    packets_++;
    bytes_ += packet.len;
    at_ = next_;
  }
  /// The same for one that is not forwarded, and why.
  void Drop(ptnet::Drop cause) noexcept {
    drops_.Count(cause);
    at_ = next_;
  }
  /// The same for one that is counted elsewhere.
  void Skip() noexcept { at_ = next_; }
  /// The packet that was looked at goes to somebody who cannot be asked afterwards whether he has got it: whoever goes
  /// on when this process is killed does not give it to him once more.
  void RecordNext() const noexcept { k_.RecordTaken(next_); }
  /// The same of what was taken so far.
  void RecordTaken() const noexcept { k_.RecordTaken(at_); }
  /// Slots taken so far.
  uint32_t slots() const noexcept { return k_.Distance(k_.hwcur, at_); }
  uint64_t bytes() const noexcept { return bytes_; }

  /// Gives back what was taken. True when there was anything.
  bool Close() noexcept {
    if (at_ == k_.hwcur) return false;
    TakeUpTo(k_, at_);
    Add(k_.counters->packets, packets_);
    Add(k_.counters->bytes, bytes_);
    drops_.CountIn(*k_.counters);
    ShowTaken(k_);
    return true;
  }

 private:
  Kring& k_;
  uint32_t head_ = 0;  // the guest's
  uint32_t at_ = 0;    // behind what was taken
  uint32_t next_ = 0;  // behind the packet that is being looked at
  uint64_t packets_ = 0, bytes_ = 0;
  HeldDrops drops_;
};

}  // namespace ptnet
