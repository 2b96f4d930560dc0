// VALE's delivery: under the rx ring's lock, one look at the guest's head, the copies, one publication, one interrupt.
#include "forward/vale_delivery.h"

#include <algorithm>

#include "datapath/notify.h"
#include "forward/copy.h"

namespace ptnet {
namespace {

constexpr uint32_t kAhead = 4;  // slots between asking for a buffer and writing to it

Kring& RingFor(ValePort& to, uint32_t tx_ring) {
  uint32_t rings = to.shape().rx_rings;
  while (tx_ring >= rings) tx_ring -= rings;
  return to.rx(tx_ring);
}

}  // namespace

ValeDelivery::ValeDelivery(const ValeFlow& from, ValePort& to, uint32_t tx_ring)
    : from_(from), k_(RingFor(to, tx_ring)) {}

/// Takes what the guest has given back; false, counted once, while its indices are wrong.
bool ValeDelivery::Open() noexcept {
  uint32_t head = k_.hwcur;
  if (!k_.LoadHead(&head)) return false;
  k_.Unblock();
  k_.DisableKicks();  // a ring that was mended in time still has them enabled
  k_.hwcur = head;
  tail_ = k_.hwtail;
  space_ = k_.Distance(tail_, k_.Prev(head));
  return true;
}

bool ValeDelivery::Room(uint32_t slots) noexcept {
  if (slots <= space_) return true;
  // The guest may have moved on since; ask once more before dropping.
  uint32_t head = k_.hwcur;
  if (!k_.LoadHead(&head)) return false;
  k_.hwcur = head;
  space_ = k_.Distance(tail_, k_.Prev(head));
  return slots <= space_;
}

/// Whether a piece of the packet is larger than our buffers.
bool ValeDelivery::MustCut(uint16_t first) const noexcept {
  for (uint32_t f = 0; f < from_.batch_[first].frags; f++)
    if (from_.batch_[first + f].frag.len > k_.buf_size) return true;
  return false;
}

/// The one slot of a packet.
bool ValeDelivery::CopySlot(const Frag& frag) noexcept {
  const SlotWord old = ReadSlot(k_.slots[tail_]);
  if (!k_.ValidBuf(old.buf_idx)) [[unlikely]]
    return false;
  CopyPacket(k_.Buf(old.buf_idx), frag.data, frag.len);
  UpdateSlot(k_.slots[tail_], old, {old.buf_idx, static_cast<uint16_t>(frag.len), 0});
  tail_ = k_.Next(tail_);
  space_--;
  return true;
}

bool ValeDelivery::CopyWhole(uint16_t first) noexcept {
  uint32_t frags = from_.batch_[first].frags, i = tail_;
  for (uint32_t f = 0; f < frags; f++, i = k_.Next(i)) {
    const Frag& frag = from_.batch_[first + f].frag;
    SlotWord w = ReadSlot(k_.slots[i]);
    if (!k_.ValidBuf(w.buf_idx)) [[unlikely]]
      return false;
    CopyPacket(k_.Buf(w.buf_idx), frag.data, frag.len);
    uint32_t flags = (frags > 1 ? frags << 8 : 0) | (f + 1 < frags ? NS_MOREFRAG : 0);
    WriteSlot(k_.slots[i], {w.buf_idx, static_cast<uint16_t>(frag.len), static_cast<uint16_t>(flags)});
  }
  tail_ = i;
  space_ -= frags;
  return true;
}

/// The same when the packet has to be cut into other pieces.
bool ValeDelivery::CopyCut(uint16_t first, uint32_t slots) noexcept {
  uint32_t i = tail_, piece = first, at = 0;  // at: bytes taken from the piece
  uint32_t left = from_.batch_[first].len;
  for (uint32_t s = 0; s < slots; s++, i = k_.Next(i)) {
    SlotWord w = ReadSlot(k_.slots[i]);
    if (!k_.ValidBuf(w.buf_idx)) return false;
    uint32_t want = std::min(left, k_.buf_size), have = 0;
    while (have < want) {
      const Frag& frag = from_.batch_[piece].frag;
      uint32_t n = std::min(want - have, frag.len - at);
      memcpy(k_.Buf(w.buf_idx) + have, frag.data + at, n);
      have += n, at += n;
      if (at == frag.len) piece++, at = 0;
    }
    left -= want;
    uint32_t flags = (slots > 1 ? slots << 8 : 0) | (s + 1 < slots ? NS_MOREFRAG : 0);
    WriteSlot(k_.slots[i], {w.buf_idx, static_cast<uint16_t>(want), static_cast<uint16_t>(flags)});
  }
  tail_ = i;
  space_ -= slots;
  return true;
}

/// Takes the lock, unless the budget says not to wait for it.
bool ValeDelivery::Locked(const Budget& budget) noexcept {
  if (!budget.may_wait) return k_.lock.TryLock();
  k_.lock.Lock();
  return true;
}

/// Takes the packet that was sent first of those left, of which there is one: kEnd is above every item.
uint16_t ValeDelivery::TakeNext(ValeFlow::Left* left) const noexcept {
  uint16_t& from = left->unicast <= left->flood ? left->unicast : left->flood;
  const uint16_t at = from;
  from = from_.batch_[at].next;
  return at;
}

bool ValeDelivery::Deliver(ValeFlow::Left* left, const Budget& budget, Used* used) noexcept {
  if (!Locked(budget)) return false;
  Interrupt* wanted = DeliverLocked(left, budget, used);
  k_.lock.Unlock();
  Raise(k_, wanted);
  used->destinations++;
  return std::min(left->unicast, left->flood) == ValeFlow::kEnd;
}

/// The interrupt to raise, if there is one.
Interrupt* ValeDelivery::DeliverLocked(ValeFlow::Left* left, const Budget& budget, Used* used) noexcept {
  uint64_t packets = 0, bytes = 0, full = 0, down = 0, too_long = 0, bad_buf = 0;
  const uint32_t most = budget.bytes - used->bytes;
  bool up = k_.attached() && Open();
  while (bytes < most && std::min(left->unicast, left->flood) != ValeFlow::kEnd) {
    const uint16_t at = TakeNext(left), next = std::min(left->unicast, left->flood);
    if (next != ValeFlow::kEnd) __builtin_prefetch(from_.batch_[next].frag.data);
    const auto& item = from_.batch_[at];
    if (up && item.frags == 1 && item.len <= k_.buf_size && (space_ > 0 || Room(1))) [[likely]] {
      if (space_ > kAhead) PrefetchForWrite(k_.BufAhead(k_.Advance(tail_, kAhead)));
      if (!CopySlot(item.frag)) {
        bad_buf++;
        continue;
      }
      packets++;
      bytes += item.len;
      continue;
    }
    bool cut = MustCut(at);
    uint32_t slots = cut ? (item.len + k_.buf_size - 1) / k_.buf_size : item.frags;
    if (!up) {
      down++;
    } else if (slots > kMaxFrags || slots >= k_.num_slots) {
      too_long++;
    } else if (!Room(slots)) {
      full++;
    } else if (!(cut ? CopyCut(at, slots) : CopyWhole(at))) {
      bad_buf++;
    } else {
      packets++;
      bytes += item.len;
    }
  }
  used->bytes += static_cast<uint32_t>(bytes);
  RingCounters& c = *k_.counters;
  if (full | down | too_long | bad_buf) {
    c.CountDrop(Drop::kFull, full);
    c.CountDrop(Drop::kDown, down);
    c.CountDrop(Drop::kBadFrags, too_long);
    c.CountDrop(Drop::kBadBuf, bad_buf);
  }
  if (packets == 0) return nullptr;
  Add(c.packets, packets);
  Add(c.bytes, bytes);
  Add(c.syncs, 1);
  k_.hwtail = tail_;
  k_.Publish();
  return Wanted(k_);
}

}  // namespace ptnet
