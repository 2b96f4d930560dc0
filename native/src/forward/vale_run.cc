// VALE's short way: a run of one-slot packets between the same two stations goes from ring to ring in one pass.
#include <algorithm>
#include <bit>
#include <utility>

#include "datapath/clock.h"
#include "datapath/notify.h"
#include "forward/vale.h"
#include "forward/vale_delivery.h"
#include "packet/vnet_copy.h"
#include "packet/vnet_packet.h"
#include "ring/copy.h"

namespace ptnet {
namespace {

constexpr uint32_t kRunMax = 512;       // slots between two publications
constexpr uint32_t kShortRun = 8;       // runs that end sooner because the stations differ are not worth it,
constexpr uint32_t kPollsBatched = 16;  // so for so many polls packets are sorted by destination first
constexpr uint32_t kRoomWanted =
    64;  // slots that end a wait: with one at a time the two cores would only fight for the indices
constexpr uint32_t kFew = 4;     // packets that are not worth a block
constexpr uint32_t kBlock = 16;  // packets whose buffers are asked for before those of the block before are copied

constexpr uint64_t kMacMask = 0xffff'ffff'ffff;
constexpr uint16_t kNotAlone = NS_MOREFRAG | NS_INDIRECT | NS_NO_LEARN;

/// Bytes up to the end of the Ethernet header.
inline uint32_t ShortestOf(const Kring& k) { return k.vnet_hdr_len + kEthernetHeader; }

/// A one-slot packet that fits `most` and has an Ethernet header.
inline bool IsShort(const Kring& k, SlotWord w, uint32_t most) {
  const uint32_t shortest = ShortestOf(k);
  return k.ValidBuf(w.buf_idx) && !(w.flags & kNotAlone) && w.len - shortest <= most - shortest;
}

/// Packets of a run that have been looked at and wait to be copied: all that lies in shared memory was read once, here.
class ValeBlock {
 public:
  enum class End : uint8_t {
    kGoesOn,  // the next packet may be one of the run as well
    kMixed,   // it is not
    kBadBuf,  // the slot that it would go to shows no buffer of its region
  };

  void Look(const Kring& from, const Kring& to, uint32_t i, uint32_t o, uint32_t most) noexcept;
  uint32_t Copy(const ValeRun& run, uint64_t* bytes) noexcept {
    switch (run.from.vnet_hdr_len) {
      case VirtioNetHdr::kVnetHdrLong:
        return CopyAll<VirtioNetHdr::kVnetHdrLong>(run, bytes);
      case VirtioNetHdr::kVnetHdrShort:
        return CopyAll<VirtioNetHdr::kVnetHdrShort>(run, bytes);
      default:
        return CopyAll<0>(run, bytes);
    }
  }
  uint32_t packets() const { return packets_; }
  End end() const { return end_; }

 private:
  template <uint32_t vnet_hdr_len>
  uint32_t CopyAll(const ValeRun& run, uint64_t* bytes) noexcept;
  void LookAtPackets(const Kring& k, NetmapSlot* slots, uint32_t longest) noexcept;
  void LookAtPlaces(const Kring& k, NetmapSlot* slots) noexcept;

  uint32_t packets_ = 0;
  End end_ = End::kGoesOn;
  const uint8_t* from_[kBlock];
  uint8_t* to_[kBlock];
  uint32_t len_[kBlock];
};

}  // namespace

inline __m128i Load16(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }

/// The 16 bytes from a frame's Ethernet header on; there are as many to be read.
inline __m128i StationsOf(const uint8_t* frame) { return Load16(frame); }

/// Copies a packet that begins with an empty virtio-net header and the 12 bytes of `addresses`, which are the upper
/// ones there. The bytes that were looked at are those that are written. False, and nothing done, for another one.
template <uint32_t hdr_len>
inline bool CopyBehindEmptyHeader(uint8_t* to, const uint8_t* from, uint32_t len, __m128i addresses) {
  constexpr uint32_t kLooked = 4;  // bytes of VirtioNetHdr::Empty(): with the addresses they are 16, for one comparison
  static_assert(offsetof(VirtioNetHdr, gso_size) == kLooked);
  const __m128i header = Load16(from), before = Load16(from + hdr_len - kLooked);
  const __m128 both = _mm_move_ss(_mm_castsi128_ps(before), _mm_castsi128_ps(header));
  if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_castps_si128(both), addresses)) != 0xffff) [[unlikely]]
    return false;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), header);
  CopyPacket(to + hdr_len, from + hdr_len, len - hdr_len);
  return true;
}

/// Whether two frames are from and to the same stations.
inline bool AreSame(__m128i stations, __m128i others) {
  return (_mm_movemask_epi8(_mm_cmpeq_epi8(stations, others)) & 0xfff) == 0xfff;
}

inline bool ValeRun::Matches(const uint8_t* packet) const {
  return AreSame(stations, StationsOf(packet + from.vnet_hdr_len));
}

/// Forwards the packets from hwcur on as long as they are of one slot, to the same known port as the first and from the
/// same address; the new hwcur, which is the old one when the first packet is not like that, or is to wait (waits_).
uint32_t ValeFlow::ForwardRun(ValeSwitch& sw, uint32_t head, const Budget& budget, Used* used) noexcept {
  const uint64_t since = std::exchange(waits_since_ns_, 0);
  if (polls_batched_ > 0) {
    polls_batched_--;
    return k_.hwcur;
  }
  if (k_.has_offsets()) return k_.hwcur;
  const Lookup* const lookup = sw.lookup();
  if (lookup != nullptr && !lookup->learns()) return k_.hwcur;
  const SlotWord w = ReadSlot(k_.slots[k_.hwcur]);
  if (!IsShort(k_, w, k_.buf_size)) return k_.hwcur;
  const __m128i both = StationsOf(k_.Buf(w.buf_idx) + k_.vnet_hdr_len);
  const auto low = static_cast<uint64_t>(_mm_cvtsi128_si64(both));
  const auto high = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(both, both)));
  const uint64_t dst = low & kMacMask, src = (low >> 48 | high << 16) & kMacMask;
  if (ForwardingTable::IsMulticast(dst)) return k_.hwcur;
  const uint32_t now_s = sw.now_s();
  // First, as for a batch: whoever sends to his own address is where he is now. Address 0 is nobody's.
  if (src != 0 && !ForwardingTable::IsMulticast(src)) sw.table().Learn(src, port_.number(), now_s);
  const uint32_t to = sw.table().Lookup(dst, now_s);
  if (to == ForwardingTable::kUnknown || to == port_.number()) return k_.hwcur;
  if (lookup != nullptr && !lookup->Reaches(port_.number(), to)) return k_.hwcur;
  SwitchMember* member = sw.member(to);
  if (member == nullptr || member->receive_limit() != nullptr) return k_.hwcur;
  ValeRun run{k_, budget, both, head, k_.hwcur};
  run.may_defer = budget.may_defer && sw.patience_ns() > 0 && (since == 0 || NowNs() - since < sw.patience_ns());
  run.room_wanted = since == 0 ? 1 : kRoomWanted;
  if (!member->DeliverRun(&run, k_.index)) return k_.hwcur;
  waits_ = run.waits || run.busy;
  if (run.waits) waits_since_ns_ = since == 0 ? NowNs() : since;
  if (waits_) return k_.hwcur;
  if (run.packets < kShortRun && run.mixed) polls_batched_ = kPollsBatched;
  Add(k_.counters->packets, run.packets);
  Add(k_.counters->bytes, run.bytes);
  used->bytes = static_cast<uint32_t>(run.bytes);
  used->destinations = 1;
  return run.end;
}

/// Looks at up to `most` packets from slot `i` on and at the slots from `o` on that they go to, as many as fit a block
/// and lie in both rings without a wrap; asks for their buffers, and shows their lengths, which nobody sees before
/// hwtail.
void ValeBlock::Look(const Kring& from, const Kring& to, uint32_t i, uint32_t o, uint32_t most) noexcept {
  end_ = End::kGoesOn;
  packets_ = std::min({most, kBlock, from.num_slots - i, to.num_slots - o});
  LookAtPackets(from, from.slots + i, std::min(from.buf_size, to.buf_size));
  LookAtPlaces(to, to.slots + o);
}

void ValeBlock::LookAtPackets(const Kring& k, NetmapSlot* slots, uint32_t longest) noexcept {
  uint8_t* const base = k.buf_base;
  const uint64_t size = k.buf_size;
  const uint32_t bufs = k.num_bufs - kReservedBufs, shortest = ShortestOf(k), most = longest - shortest;
  const uint32_t packets = packets_;
  for (uint32_t n = 0; n < packets; n++) {
    const uint64_t word = std::bit_cast<uint64_t>(ReadSlot(slots[n]));
    const auto buf_idx = static_cast<uint32_t>(word);
    // IsShort, with what must be zero above the length: one comparison looks at both.
    const auto len = static_cast<uint32_t>(word >> 32) & (UINT16_MAX | uint32_t{kNotAlone} << 16);
    if (buf_idx - kReservedBufs >= bufs || len - shortest > most) {
      end_ = End::kMixed;
      packets_ = n;
      return;
    }
    from_[n] = base + buf_idx * size;
    len_[n] = len;
    __builtin_prefetch(from_[n]);
  }
}

void ValeBlock::LookAtPlaces(const Kring& k, NetmapSlot* slots) noexcept {
  uint8_t* const base = k.buf_base;
  const uint64_t size = k.buf_size;
  const uint32_t bufs = k.num_bufs - kReservedBufs, packets = packets_;
  for (uint32_t n = 0; n < packets; n++) {
    const uint64_t old = std::bit_cast<uint64_t>(ReadSlot(slots[n]));
    const auto buf_idx = static_cast<uint32_t>(old);
    if (buf_idx - kReservedBufs >= bufs) [[unlikely]] {
      end_ = End::kBadBuf;
      packets_ = n;
      return;
    }
    to_[n] = base + buf_idx * size;
    PrefetchForWrite(to_[n]);
    // As UpdateSlot.
    if (old >> 32 != len_[n]) WriteSlot(slots[n], {buf_idx, static_cast<uint16_t>(len_[n]), 0});
  }
}

/// Copies the packets up to the first that is not between the run's two stations, or whose virtio-net header lies; how
/// many, and their bytes.
template <uint32_t vnet_hdr_len>
uint32_t ValeBlock::CopyAll(const ValeRun& run, uint64_t* bytes) noexcept {
  const __m128i stations = run.stations, addresses = _mm_slli_si128(stations, 4);
  uint64_t sum = 0;
  uint32_t n = 0;
  for (; n < packets_; sum += len_[n++]) {
    uint8_t* const to = to_[n];
    const uint8_t* const from = from_[n];
    if constexpr (vnet_hdr_len > 0)
      if (CopyBehindEmptyHeader<vnet_hdr_len>(to, from, len_[n], addresses)) [[likely]]
        continue;
    const bool one = AreSame(stations, StationsOf(from + vnet_hdr_len));
    if (!one || (vnet_hdr_len > 0 && !CopyWithVnetHdr(to, from, len_[n], vnet_hdr_len))) {
      end_ = End::kMixed;
      break;
    }
    if constexpr (vnet_hdr_len == 0) CopyPacket(to, from, len_[n]);
  }
  *bytes += sum;
  return n;
}

/// Copies the run's next packets, up to `most`, for which there must be room; how many. While one block is copied, the
/// next one's buffers are on their way.
uint32_t ValeDelivery::CopyRun(ValeRun* run, uint32_t most) noexcept {
  const Kring &from = run->from, &to = k_;
  ValeBlock blocks[2];
  ValeBlock *now = &blocks[0], *next = &blocks[1];
  uint32_t i = run->end, o = to_.tail(), left = most;  // what has not been looked at
  uint32_t copied = 0;
  uint64_t bytes = 0;
  for (now->Look(from, to, i, o, left);; std::swap(now, next)) {
    const uint32_t n = now->packets();
    i = from.Advance(i, n), o = to.Advance(o, n), left -= n;
    const bool goes_on = now->end() == ValeBlock::End::kGoesOn && left > 0;
    if (goes_on) next->Look(from, to, i, o, left);
    copied += now->Copy(*run, &bytes);
    if (!goes_on || now->end() != ValeBlock::End::kGoesOn) break;
  }
  run->mixed = now->end() == ValeBlock::End::kMixed;
  run->bad_buf = now->end() == ValeBlock::End::kBadBuf;
  run->end = from.Advance(run->end, copied);
  run->packets += copied;
  to_.Took(copied, bytes);
  return copied;
}

/// Copies the run's next packet, if it is of its kind and there is a place for it; there must be room. How many. One
/// whose virtio-net header lies is of another kind: it is counted where packets are sorted.
inline uint32_t ValeDelivery::CopyOne(ValeRun* run) noexcept {
  const Kring& from = run->from;
  const SlotWord w = ReadSlot(from.slots[run->end]);
  run->mixed = !IsShort(from, w, std::min(from.buf_size, k_.buf_size)) || !run->Matches(from.Buf(w.buf_idx));
  if (run->mixed) return 0;
  const Frag frag{from.Buf(w.buf_idx), w.len};
  const Pieces packet{&frag, 1, frag.len};
  const uint32_t hdr = from.vnet_hdr_len;
  const Drop cause = hdr == 0 ? to_.Put(packet) : PutVnetPacket(to_, packet, hdr, hdr, 0).cause;
  run->mixed = cause == Drop::kBadVnet;
  run->bad_buf = !run->mixed && cause != Drop::kCount;
  if (cause != Drop::kCount) return 0;
  run->end = from.Next(run->end);
  run->packets++;
  return 1;
}

/// As many of `left` packets as fit the budget whatever their lengths are; when they are short, there are more.
inline uint32_t ValeDelivery::Fit(const ValeRun& run, uint32_t left) const noexcept {
  const uint32_t bytes = run.budget.bytes - static_cast<uint32_t>(to_.bytes());
  const uint32_t largest = std::min(run.from.buf_size, k_.buf_size);
  return uint64_t{left} * largest <= bytes ? left : std::max(bytes / largest, 1u);
}

/// Drops the run's next packet, if it is of its kind.
void ValeDelivery::DropNext(ValeRun* run, Drop cause) noexcept {
  const Kring& from = run->from;
  const SlotWord w = ReadSlot(from.slots[run->end]);
  run->mixed = !IsShort(from, w, std::min(from.buf_size, k_.buf_size)) || !run->Matches(from.Buf(w.buf_idx));
  if (run->mixed) return;
  run->drops.Count(cause);
  run->end = from.Next(run->end);
  run->packets++;
  run->bytes += w.len;
}

/// Whether the destination has too little room, and is to be waited for.
bool ValeDelivery::MustWait(const ValeRun& run) noexcept {
  // A guest that was waited for in vain is not waited for again until it has made room to speak of.
  const uint32_t room = std::min(kRoomWanted, std::max(k_.num_slots / 4, 1u));
  if (to_.space() >= room) k_.waited_in_vain = false;
  const bool short_of_room = to_.space() < std::min(run.room_wanted, room);
  if (run.may_defer && short_of_room && !k_.waited_in_vain) return true;
  if (short_of_room) k_.waited_in_vain = true;
  return false;
}

/// False when the port is not served, not with the sender's virtio-net header, or packets do not begin where its
/// buffers do; then nothing was done.
bool ValeDelivery::DeliverRun(ValeRun* run) noexcept {
  if (!Locked(run->budget)) {
    run->busy = true;
    return true;
  }
  const bool served = k_.vnet_hdr_len == run->from.vnet_hdr_len && !k_.has_offsets() && Open();
  if (served) Put(run);
  // Before the destination has them: who goes on does not send them once more.
  if (run->packets > 0) run->from.RecordTaken(run->end);
  run->drops.CountIn(*k_.counters);
  Interrupt* const wanted = to_.Publish();
  k_.lock.Unlock();
  Raise(k_, wanted);
  return served;
}

void ValeDelivery::Put(ValeRun* run) noexcept {
  run->waits = MustWait(*run);
  if (run->waits) return;
  const Budget& budget = run->budget;
  uint32_t left = std::min({run->from.Distance(run->end, run->head), kRunMax, budget.slots});
  while (left > 0 && !run->mixed && to_.bytes() < budget.bytes) {
    if (!to_.Room(1)) {
      if (to_.packets() > 0) break;  // what there was room for goes out first
      DropNext(run, Drop::kFull);
      left--;
      continue;
    }
    left -= left < kFew ? CopyOne(run) : CopyRun(run, std::min(Fit(*run, left), to_.space()));
    // The slot at the tail stays what it is until its guest mends it.
    for (; run->bad_buf && left > 0 && !run->mixed; left--) {
      DropNext(run, Drop::kBadBuf);
      run->bad_buf = !k_.ValidBuf(ReadSlot(k_.slots[to_.tail()]).buf_idx);
    }
  }
  run->bytes += to_.bytes();
}

}  // namespace ptnet
