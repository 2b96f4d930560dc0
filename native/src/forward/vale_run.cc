// VALE's short way: a run of one-slot packets between the same two stations goes from ring to ring in one pass.
#include <algorithm>
#include <utility>

#include "datapath/clock.h"
#include "datapath/notify.h"
#include "forward/copy.h"
#include "forward/vale.h"
#include "forward/vale_delivery.h"

namespace ptnet {
namespace {

constexpr uint32_t kRunMax = 512;       // slots between two publications
constexpr uint32_t kShortRun = 8;       // runs that end sooner because the stations differ are not worth it,
constexpr uint32_t kPollsBatched = 16;  // so for so many polls packets are sorted by destination first
constexpr uint32_t kRoomWanted = 64;    // slots that end a wait: with one at a time the two cores would only fight for the indices
constexpr uint32_t kAhead = 10;         // slots between asking for a buffer and using it

constexpr uint16_t kNotAlone = NS_MOREFRAG | NS_INDIRECT | NS_NO_LEARN;

}  // namespace

/// Whether `packet`, of at least 16 readable bytes, is from and to the same stations.
inline bool ValeRun::Matches(const uint8_t* packet) const {
  const __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(packet)), stations);
  return (_mm_movemask_epi8(same) & 0xfff) == 0xfff;
}

/// A one-slot packet that fits `buf_size` and has an Ethernet header.
static inline bool IsShort(const Kring& k, SlotWord w, uint32_t most) {
  return k.ValidBuf(w.buf_idx) && !(w.flags & kNotAlone) && w.len - kEthernetHeader <= most - kEthernetHeader;
}

/// Forwards the packets from hwcur on as long as they are of one slot, to the same known port as the first and from the
/// same address; the new hwcur, which is the old one when the first packet is not like that, or is to wait (waits_).
uint32_t ValeFlow::ForwardRun(ValeSwitch& sw, uint32_t head) noexcept {
  const uint64_t since = std::exchange(waits_since_ns_, 0);
  if (polls_batched_ > 0) {
    polls_batched_--;
    return k_.hwcur;
  }
  const SlotWord w = ReadSlot(k_.slots[k_.hwcur]);
  if (!IsShort(k_, w, k_.buf_size)) return k_.hwcur;
  ValeRun run{k_, _mm_loadu_si128(reinterpret_cast<const __m128i*>(k_.Buf(w.buf_idx))), head};
  alignas(16) uint8_t stations[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(stations), run.stations);
  const uint64_t dst = ForwardingTable::MacAt(stations), src = ForwardingTable::MacAt(stations + 6);
  if (ForwardingTable::IsMulticast(dst)) return k_.hwcur;
  const uint32_t to = sw.table().Lookup(dst);
  if (to == ForwardingTable::kUnknown || to == port_.number()) return k_.hwcur;
  ValePort* port = sw.port(to);
  if (port == nullptr) return k_.hwcur;
  if (!ForwardingTable::IsMulticast(src)) sw.table().Learn(src, port_.number());
  run.may_wait = !hurry_ && sw.patience_ns() > 0 && (since == 0 || NowNs() - since < sw.patience_ns());
  run.room_wanted = since == 0 ? 1 : kRoomWanted;
  if (!ValeDelivery(*this, *port, k_.index).DeliverRun(&run)) return k_.hwcur;
  waits_ = run.waits;
  if (waits_) {
    waits_since_ns_ = since == 0 ? NowNs() : since;
    return k_.hwcur;
  }
  if (run.packets < kShortRun && run.mixed) polls_batched_ = kPollsBatched;
  Add(k_.counters->packets, run.packets);
  Add(k_.counters->bytes, run.bytes);
  return run.end;
}

/// False when the port is not served; then nothing was done.
bool ValeDelivery::DeliverRun(ValeRun* run) noexcept {
  SpinGuard guard(k_.lock);
  if (!k_.attached() || !Open()) return false;
  // A guest that was waited for in vain is not waited for again until it has made room to speak of.
  const uint32_t room = std::min(kRoomWanted, std::max(k_.num_slots / 4, 1u));
  if (space_ >= room) k_.waited_in_vain = false;
  const bool short_of_room = space_ < std::min(run->room_wanted, room);
  run->waits = run->may_wait && short_of_room && !k_.waited_in_vain;
  if (run->waits) return true;
  if (short_of_room) k_.waited_in_vain = true;
  const Kring& from = run->from;
  const uint32_t most = std::min(from.buf_size, k_.buf_size);
  uint32_t i = from.hwcur, o = tail_, lost = 0, bad_buf = 0, packets = 0;
  uint64_t bytes = 0, lost_bytes = 0;
  uint32_t left = std::min(from.Distance(i, run->head), kRunMax);
  uint32_t ahead = from.Advance(i, std::min(left, kAhead)), ahead_to = k_.Advance(o, std::min(space_, kAhead));
  for (; left > 0; left--, i = from.Next(i)) {
    if (left > kAhead) {
      __builtin_prefetch(from.BufAhead(ahead));
      PrefetchForWrite(k_.BufAhead(ahead_to));
      ahead = from.Next(ahead), ahead_to = k_.Next(ahead_to);
    }
    const SlotWord w = ReadSlot(from.slots[i]);
    const uint8_t* data = from.Buf(w.buf_idx);
    run->mixed = !IsShort(from, w, most) || !run->Matches(data);
    if (run->mixed) break;
    if (space_ == 0) [[unlikely]] {
      tail_ = o;
      if (!Room(1)) {
        if (packets > 0) break;  // what there was room for goes out first
        lost++, lost_bytes += w.len;
        continue;
      }
    }
    const SlotWord old = ReadSlot(k_.slots[o]);
    if (!k_.ValidBuf(old.buf_idx)) [[unlikely]] {
      bad_buf++, lost_bytes += w.len;
      continue;
    }
    CopyPacket(k_.Buf(old.buf_idx), data, w.len);
    UpdateSlot(k_.slots[o], old, {old.buf_idx, w.len, 0});
    o = k_.Next(o);
    space_--;
    packets++;
    bytes += w.len;
  }
  run->end = i;
  run->packets = packets + lost + bad_buf;
  run->bytes = bytes + lost_bytes;
  RingCounters& c = *k_.counters;
  if (lost > 0) c.CountDrop(Drop::kFull, lost);
  if (bad_buf > 0) c.CountDrop(Drop::kBadBuf, bad_buf);
  if (packets == 0) return true;
  Add(c.packets, packets);
  Add(c.bytes, bytes);
  Add(c.syncs, 1);
  k_.hwtail = tail_ = o;
  k_.Publish();
  Notify(k_);
  return true;
}

}  // namespace ptnet
