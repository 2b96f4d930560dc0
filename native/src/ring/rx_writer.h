// Writes packets into an rx ring: room, copies, and one publication and one notification for all of a batch. The packet
// stays whole; where the receiver's buffers are smaller it is cut into more pieces.
#pragma once

#include <cstring>

#include "datapath/notify.h"
#include "ring/copy.h"
#include "ring/kring.h"
#include "ring/packet.h"

namespace ptnet {

/// Pieces of a packet, at most: its head may be a copy, and what follows it in a slot another piece.
inline constexpr uint32_t kMaxPieces = kMaxFrags + 1;

/// The pieces of one packet that lie behind each other.
struct Pieces {
  const Frag* frags;
  uint32_t count;
  uint32_t len;  // of all of them
};

/// Where a packet of several slots goes: buffers of `buf_size` bytes each, of which all but the last are filled.
struct Places {
  uint32_t slots;
  uint32_t buf_size;
  uint8_t* bufs[kMaxFrags];
  SlotWord words[kMaxFrags];  // what the slots showed: they are read once
};

class RxWriter {
 public:
  explicit RxWriter(Kring& k) : k_(k) {}

  /// Takes what the guest has given back. False when nobody is there, or, counted once, while its indices are wrong.
  bool Open() noexcept {
    uint32_t head = k_.hwcur;
    if (!k_.attached() || !k_.LoadHead(&head)) return false;
    k_.TakeBack(head);
    tail_ = k_.hwtail;
    space_ = k_.FreeSlots(tail_);
    return true;
  }
  /// Whether there are so many free slots; if not, the guest is looked at once more, which may have moved on.
  bool Room(uint32_t slots) noexcept { return slots <= space_ || MoreRoom(slots); }
  /// Whether pieces say nothing about slots: then packets take as few of them as they fit.
  void JoinPieces(bool joins) noexcept { joins_ = joins; }
  /// Slots that the packet takes here.
  uint32_t SlotsFor(const Pieces& packet) const noexcept {
    return MustCut(packet) ? k_.SlotsFor(packet.len) : packet.count;
  }
  /// Copies one packet; kCount when it is in, else why it is not: kFull, kBadFrags for one that never fits, kBadBuf
  /// when a slot shows no buffer of its region. What is not in is neither counted nor dropped.
  Drop Put(const Pieces& packet) noexcept {
    if (packet.count == 1 && packet.len <= k_.plain_room && Room(1)) [[likely]]
      return PutSlot(packet.frags[0]);
    return PutSlots(packet);
  }
  /// The same for a piece behind `front`, both in one slot. False, and nothing done, when there is no such slot.
  bool PutBehind(const Frag& front, const Frag& frag, Drop* cause) noexcept {
    if (front.len + frag.len > k_.plain_room || !Room(1)) return false;
    *cause = PutSlot(frag, front);
    return true;
  }
  /// For who writes a packet by himself: the slots that `len` bytes take, at least one. @return as Put();
  /// TookFrame() ends it.
  Drop Reserve(uint32_t len, Places* places) noexcept;
  /// The first slot of the packet that was put in last: its buffer, which has `len` bytes of it.
  Frag last() const noexcept { return last_; }

  /// Shows the batch to the guest. @return the interrupt to raise, not with a lock held; null: none.
  Interrupt* Publish() noexcept {
    if (packets_ == 0) return nullptr;
    RingCounters& c = *k_.counters;
    k_.hwtail = tail_;
    k_.Record();
    Add(c.packets, packets_);
    Add(c.bytes, bytes_);
    Add(c.syncs, 1);
    k_.Publish();
    return Wanted(k_);
  }
  /// The end of a batch on a ring that needs no lock. True when there was anything.
  bool Close() noexcept {
    Raise(k_, Publish());
    return packets_ > 0;
  }

  // For who fills slots by himself, from tail() on.
  uint32_t tail() const noexcept { return tail_; }
  uint32_t space() const noexcept { return space_; }
  void Took(uint32_t packets, uint64_t bytes) noexcept {
    tail_ = k_.Advance(tail_, packets);
    space_ -= packets;
    packets_ += packets;
    bytes_ += bytes;
  }
  /// The same for one packet in so many slots.
  void TookPacket(uint32_t slots, uint64_t bytes) noexcept {
    tail_ = k_.Advance(tail_, slots);
    space_ -= slots;
    packets_++;
    bytes_ += bytes;
  }
  /// The same for one packet of `len` bytes in as many slots as it takes, all but the last of them full; `words` are
  /// what they showed.
  void TookFrame(const SlotWord* words, uint32_t len) noexcept;
  uint64_t packets() const noexcept { return packets_; }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  static constexpr uint32_t kAhead = 4;  // slots between asking for a buffer and writing to it

  Drop PutSlot(const Frag& frag, const Frag& front = {nullptr, 0}) noexcept {
    if (space_ > kAhead) PrefetchForWrite(k_.BufAhead(k_.Advance(tail_, kAhead)));
    const SlotWord old = ReadSlot(k_.slots[tail_]);
    if (!k_.ValidBuf(old.buf_idx)) [[unlikely]]
      return Drop::kBadBuf;
    last_ = {k_.Buf(old.buf_idx), front.len + frag.len};
    CopyPacket(last_.data + front.len, frag.data, frag.len);
    // Afterwards: the packet may be there.
    if (front.len > 0) memcpy(last_.data, front.data, front.len);
    UpdateSlot(k_.slots[tail_], old, {old.buf_idx, static_cast<uint16_t>(last_.len), 0});
    Took(1, last_.len);
    return Drop::kCount;
  }
  /// Whether slots begin elsewhere than pieces do: also because one is larger than the receiver's buffers.
  bool MustCut(const Pieces& packet) const noexcept {
    if (joins_) return true;
    for (uint32_t f = 0; f < packet.count; f++)
      if (packet.frags[f].len > k_.room) return true;
    return false;
  }
  bool MoreRoom(uint32_t slots) noexcept;
  Drop PutSlots(const Pieces& packet) noexcept;
  bool CopyWhole(const Pieces& packet) noexcept;
  bool CopyCut(const Pieces& packet, uint32_t slots) noexcept;

  Kring& k_;
  uint32_t tail_ = 0;
  uint32_t space_ = 0;
  bool joins_ = false;
  uint64_t packets_ = 0, bytes_ = 0;
  Frag last_{};
};

}  // namespace ptnet
