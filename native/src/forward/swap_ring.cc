// SwapRing: under the rx ring's lock, one look at the monitor's head, the swaps, one publication, one interrupt.
#include "forward/swap_ring.h"

#include <algorithm>
#include <utility>

#include "datapath/notify.h"
#include "datapath/stall_timer.h"
#include "ring/packet.h"

namespace ptnet {
namespace {

constexpr uint16_t kKept = NS_MOREFRAG | 0xff00;  // flags of a slot that its packet takes along

/// Slots of the packet that begins at slot `i`; 0 when its end is not among so many, or too far.
uint32_t CountSlots(const Kring& k, uint32_t i, uint32_t slots) {
  for (uint32_t n = 1; n <= slots && n <= kMaxFrags; n++, i = k.Next(i))
    if (!(ReadSlot(k.slots[i]).flags & NS_MOREFRAG)) return n;
  return 0;
}

}  // namespace

void SwapRing::Take(SwapSource& source, Kring& from, uint32_t first, uint32_t slots) noexcept {
  if (!StallTimer::Running()) [[likely]]
    return TakeSlots(source, from, first, slots);
  memory_.Touch([&] { TakeSlots(source, from, first, slots); });
}

void SwapRing::TakeSlots(SwapSource& source, Kring& from, uint32_t first, uint32_t slots) noexcept {
  k_.lock.Lock();
  RxWriter to(k_);
  const bool up = !memory_.paused() && to.Open();
  if (up) {
    k_.Unblock();
    k_.DisableKicks();  // a ring that was mended in time still has them enabled
  }
  source.plain_room = std::min(from.plain_room, k_.plain_room);
  // The ring's client has begun anew.
  if (!up || tail_ != to.tail()) parts_ = {};
  tail_ = to.tail();
  Part packet = Pop(source);
  Drop cause = packet.slots > 0 ? Drop::kCount : Drop::kBadFrags;
  const auto begin = [&](uint32_t i) {
    packet = {.of = &source};
    if (!up) return Drop::kDown;
    // All of it where its end is there, else what there is of it.
    const uint32_t whole = CountSlots(from, i, slots);
    // What waits keeps no whole packet out.
    if (whole > 0 && !to.Room(Waiting() + whole)) parts_ = {};
    return to.Room(Waiting() + std::max(whole, 1u)) ? Drop::kCount : Drop::kFull;
  };
  for (uint32_t i = first; slots > 0; slots--, i = from.Next(i)) {
    const SlotWord w = ReadSlot(from.slots[i]);
    if (source.which && ((w.flags & NS_TXMON) != 0) != *source.which) continue;
    if (!source.midway) cause = begin(i);
    if (cause == Drop::kCount) cause = Swap(to, &packet, from, i, w, source);
    source.midway = w.flags & NS_MOREFRAG;
    if (source.midway) continue;
    if (cause == Drop::kCount)
      End(to, packet);
    else
      k_.counters->CountDrop(cause);
  }
  if (source.midway && cause == Drop::kCount && parts_[1].slots == 0) parts_[parts_[0].slots > 0] = packet;
  Interrupt* const wanted = to.Publish();
  k_.lock.Unlock();
  Raise(k_, wanted);
}

/// For one slot more of `packet`, behind the beginnings that wait; kCount when it was swapped.
Drop SwapRing::Swap(RxWriter& to, Part* packet, Kring& from, uint32_t i, SlotWord w,
                    const SwapSource& source) noexcept {
  if (packet->slots == kMaxFrags) return Drop::kBadFrags;
  const uint32_t behind = Waiting() + packet->slots;
  if (!to.Room(behind + 1)) return Drop::kFull;
  NetmapSlot& place = k_.slots[k_.Advance(to.tail(), behind)];
  const SlotWord mine = ReadSlot(place);
  if (!from.ValidBuf(w.buf_idx) || !k_.ValidBuf(mine.buf_idx)) return Drop::kBadBuf;
  if (w.len > source.plain_room) [[unlikely]]
    if (const Drop cause = TakeOffset(place, from, i, w.len); cause != Drop::kCount) return cause;
  WriteSlot(place, {w.buf_idx, w.len, static_cast<uint16_t>((w.flags & kKept) | source.flag)});
  WriteSlot(from.slots[i], {mine.buf_idx, mine.len, static_cast<uint16_t>(w.flags | NS_BUF_CHANGED)});
  packet->slots++;
  packet->bytes += w.len;
  return Drop::kCount;
}

/// Where the packet of slot `i` begins, the monitor's slot says too. The first one that begins elsewhere than its
/// buffer makes all slots of the monitor's ring say it: whoever looks at `ptr` finds them, as of any ring with offsets.
Drop SwapRing::TakeOffset(NetmapSlot& place, const Kring& from, uint32_t i, uint32_t len) noexcept {
  const uint32_t offset = from.OffsetOf(from.slots[i]);
  if (len > from.buf_size - offset) return Drop::kBadLen;
  if (!k_.has_offsets()) {
    for (uint32_t s = 0; s < k_.num_slots; s++)
      std::atomic_ref<uint64_t>(k_.slots[s].ptr).store(0, std::memory_order_relaxed);
    k_.SetOffsets(UINT64_MAX, k_.buf_size, k_.buf_size);
    k_.ShowOffsetMask();
  }
  k_.SetOffset(place, offset);
  return Drop::kCount;
}

/// The packet is whole: it comes before the beginnings that wait.
void SwapRing::End(RxWriter& to, const Part& packet) noexcept {
  Rotate(to.tail(), Waiting(), packet.slots);
  to.TookPacket(packet.slots, packet.bytes);
  tail_ = to.tail();
}

/// Takes the source's beginning, which is the last one then, out of those that wait; one without slots when there is
/// none.
SwapRing::Part SwapRing::Pop(const SwapSource& source) noexcept {
  if (parts_[0].of == &source) {
    Rotate(tail_, parts_[0].slots, parts_[1].slots);
    std::swap(parts_[0], parts_[1]);
  }
  for (Part& part : parts_)
    if (part.of == &source) return std::exchange(part, {});
  return {};
}

/// Of so many slots, and so many behind them, the second ones come first.
void SwapRing::Rotate(uint32_t from, uint32_t first, uint32_t second) noexcept {
  if (first == 0 || second == 0) return;
  struct Shown {
    SlotWord word;
    uint32_t offset;
  };
  std::array<Shown, 3 * kMaxFrags> shown;
  const auto end = shown.begin() + first + second;
  uint32_t at = from;
  for (auto it = shown.begin(); it != end; it++, at = k_.Next(at))
    *it = {ReadSlot(k_.slots[at]), k_.OffsetOf(k_.slots[at])};
  std::rotate(shown.begin(), shown.begin() + first, end);
  at = from;
  for (auto it = shown.begin(); it != end; it++, at = k_.Next(at)) {
    WriteSlot(k_.slots[at], it->word);
    if (k_.has_offsets()) k_.SetOffset(k_.slots[at], it->offset);
  }
}

void SwapRing::Reset(SwapSource* source, const SwapSource& fresh) noexcept {
  SpinGuard guard(k_.lock);
  (void)Pop(*source);
  *source = fresh;
}

}  // namespace ptnet
