// SwapRing: under the rx ring's lock, one look at the monitor's head, the swaps, one publication, one interrupt.
#include "forward/swap_ring.h"

#include <algorithm>

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
  const auto cause_at = [&](uint32_t i) {
    if (!up) return Drop::kDown;
    const uint32_t n = CountSlots(from, i, slots);
    return n == 0 ? Drop::kBadFrags : to.Room(n) ? Drop::kCount : Drop::kFull;
  };
  Drop cause = Drop::kBadFrags;
  for (uint32_t i = first; slots > 0; slots--, i = from.Next(i)) {
    const SlotWord w = ReadSlot(from.slots[i]);
    if (source.which && ((w.flags & NS_TXMON) != 0) != *source.which) continue;
    if (!source.midway) cause = cause_at(i);
    if (cause == Drop::kCount) cause = Swap(to, from, i, w, source);
    source.midway = w.flags & NS_MOREFRAG;
    if (!source.midway && cause != Drop::kCount) k_.counters->CountDrop(cause);
  }
  Interrupt* const wanted = to.Publish();
  k_.lock.Unlock();
  Raise(k_, wanted);
}

/// For one slot there must be room; kCount when it was swapped.
Drop SwapRing::Swap(RxWriter& to, Kring& from, uint32_t i, SlotWord w, const SwapSource& source) noexcept {
  if (!to.Room(1)) return Drop::kFull;  // a packet that has grown since it was looked at
  NetmapSlot& place = k_.slots[to.tail()];
  const SlotWord mine = ReadSlot(place);
  if (!from.ValidBuf(w.buf_idx) || !k_.ValidBuf(mine.buf_idx)) return Drop::kBadBuf;
  if (w.len > source.plain_room) [[unlikely]]
    if (const Drop cause = TakeOffset(place, from, i, w.len); cause != Drop::kCount) return cause;
  WriteSlot(place, {w.buf_idx, w.len, static_cast<uint16_t>((w.flags & kKept) | source.flag)});
  WriteSlot(from.slots[i], {mine.buf_idx, mine.len, static_cast<uint16_t>(w.flags | NS_BUF_CHANGED)});
  to.TookSlot(w.len, !(w.flags & NS_MOREFRAG));
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

}  // namespace ptnet
