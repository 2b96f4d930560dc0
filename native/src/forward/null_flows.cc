// The null port's data path: counting and checking what a guest sends, making what it receives.
#include <algorithm>

#include "datapath/clock.h"
#include "datapath/notify.h"
#include "forward/null_port.h"
#include "ring/packet.h"
#include "ring/quad.h"

namespace ptnet {
namespace {

constexpr uint32_t kBatch = 512;         // slots between two publications
constexpr uint32_t kPrefetchAhead = 16;  // slots

}  // namespace

Used SinkFlow::Poll(const Budget& budget) noexcept {
  uint32_t head;
  Kring& k = k_;
  if (!LoadWork(k, &head)) return {};
  Consumed consumed;
  uint32_t done;
  switch (verify_) {
    case Payload::kNone:
      done = Consume<Payload::kNone>(head, budget, &consumed);
      break;
    case Payload::kStamp:
      done = Consume<Payload::kStamp>(head, budget, &consumed);
      break;
    default:
      done = Consume<Payload::kFull>(head, budget, &consumed);
      break;
  }
  const uint32_t slots = k.Distance(k.hwcur, done);
  if (slots == 0) return {};  // the end of a packet is still to come
  // To be counted is all that becomes of them: once at most.
  TakeUpTo(k, done);
  RingCounters& c = *k.counters;
  Add(c.packets, consumed.packets);
  Add(c.bytes, consumed.bytes);
  const auto [lost, late, corrupt] = consumed.tally;
  if (lost | late | corrupt) {
    Add(c.lost, lost);
    Add(c.late, late);
    Add(c.corrupt, corrupt);
  }
  consumed.drops.CountIn(c);
  ShowTaken(k);
  return {.moved = true, .slots = slots, .bytes = static_cast<uint32_t>(consumed.checked)};
}

/// Counts plain packets in up to `most` slots from `i`, four at a time, as far as they do not wrap; how many there
/// were.
static uint32_t CountPlain(const Kring& k, uint32_t i, uint32_t most, uint64_t* bytes) {
  const PlainSlots plain(k);
  LengthSum sum;
  most = std::min(most, k.num_slots - i);
  uint32_t n = 0;
  for (; most - n >= kQuad; n += kQuad) {
    const Quad q = ReadQuad(k.slots + i + n);
    if (!plain.All(q)) break;
    sum.Add(q);
  }
  *bytes += sum.Total();
  return n;
}

/// Consumes whole packets from hwcur towards `head`, about a batch; the new hwcur.
template <Payload level>
uint32_t SinkFlow::Consume(uint32_t head, const Budget& budget, Consumed* consumed) noexcept {
  uint64_t packets = 0, bytes = 0;
  uint32_t i = k_.hwcur, ahead = i;
  const uint32_t batch = std::min(kBatch, budget.slots);
  uint32_t stop = k_.Distance(i, head) > batch ? k_.Advance(i, batch) : head;
  if constexpr (level != Payload::kNone) {
    for (uint32_t n = 0; n < kPrefetchAhead && ahead != head; n++, ahead = k_.Next(ahead))
      __builtin_prefetch(k_.BufAhead(ahead));
  }
  // A packet of several slots may end beyond `stop`.
  for (uint32_t left = k_.Distance(i, stop), one_by_one = left < kQuad ? left : 0; left > 0;) {
    if (level == Payload::kNone && one_by_one-- == 0) {
      const uint32_t n = CountPlain(k_, i, left, &bytes);
      one_by_one = kQuad;
      packets += n;
      left -= n;
      i = k_.Advance(i, n);
      continue;
    }
    SlotWord w = ReadSlot(k_.slots[i]);
    if constexpr (level != Payload::kNone) {
      if (ahead != head) {
        __builtin_prefetch(k_.BufAhead(ahead));
        ahead = k_.Next(ahead);
      }
    }
    if (level == Payload::kNone && !(w.flags & NS_MOREFRAG) && IsPlain(k_, w)) [[likely]] {
      packets++;
      bytes += w.len;
      i = k_.Next(i);
      left--;
      continue;
    }
    if (!ReadPacket(k_, i, head, &packet_)) break;
    if (packet_.good()) {
      packets++;
      bytes += packet_.len;
      if constexpr (level != Payload::kNone) {
        Verify(WithoutVnetHdr(), level, &consumed->tally);
        consumed->checked += level == Payload::kFull ? packet_.len : sizeof(probe::Header);
        if (consumed->checked >= budget.bytes) left = 0;
      }
    } else {
      consumed->drops.Count(packet_.cause);
    }
    i = k_.Advance(i, packet_.slots);
    left -= std::min(left, packet_.slots);
  }
  consumed->packets = packets;
  consumed->bytes = bytes;
  return i;
}

/// The packet behind its virtio-net header; an empty one when its first slot does not hold that.
const Packet& SinkFlow::WithoutVnetHdr() noexcept {
  const uint32_t n = k_.vnet_hdr_len;
  Frag& first = packet_.frags[0];
  if (first.len < n) {
    packet_.len = 0;
    return packet_;
  }
  first = {first.data + n, first.len - n};
  packet_.len -= n;
  return packet_;
}

void SinkFlow::Verify(const Packet& p, Payload level, probe::Tracker::Tally* tally) noexcept {
  probe::Header h;
  if (p.len < sizeof h) {
    tally->corrupt++;
    return;
  }
  if (p.frags[0].len >= sizeof h) {
    memcpy(&h, p.frags[0].data, sizeof h);
  } else {
    auto* to = reinterpret_cast<uint8_t*>(&h);
    for (uint32_t f = 0, have = 0; have < sizeof h; f++) {
      uint32_t n = std::min<uint32_t>(p.frags[f].len, sizeof h - have);
      memcpy(to + have, p.frags[f].data, n);
      have += n;
    }
  }
  bool fine = h.ethertype == probe::kEtherTypeLe && h.stream < probe::kStreamsMax &&
              h.check == probe::CheckOf(h.seq, h.stream, p.len);
  if (fine && level == Payload::kFull) {
    uint32_t at = 0;  // of this fragment in the packet
    for (uint32_t f = 0; f < p.slots && fine; at += p.frags[f++].len) {
      uint32_t skip = at < probe::kHeaderLen ? std::min(probe::kHeaderLen - at, p.frags[f].len) : 0;
      fine = probe::Matches(p.frags[f].data + skip, h.seq, h.stream, at + skip, p.frags[f].len - skip);
    }
  }
  if (fine) {
    tracker_->Seen(h.stream, h.seq, tally);
  } else {
    tally->corrupt++;
  }
}

/// Slots that the guest has given back. False when its indices are wrong.
inline bool SourceFlow::TakeReleased() noexcept {
  uint32_t head = k_.hwcur;
  if (!k_.LoadHead(&head)) return false;
  // What was filled in may lie elsewhere by now.
  if (k_.TakeBack(head)) prefilled_ = 0;
  return true;
}

/// Packets that pace and count allow now.
uint64_t SourceFlow::Allowance() noexcept {
  uint64_t left = config_.packets - sent_;
  if (config_.rate == 0) return left;
  uint64_t due = paced_from_ + static_cast<uint64_t>(static_cast<double>(NowNs() - started_ns_) * packets_per_ns_);
  return std::min(left, due > sent_ ? due - sent_ : 0);
}

uint64_t SourceFlow::Due() const noexcept {
  // Without room it is the guest's kick that matters, however late the next packet is.
  if (config_.rate == 0 || Exhausted() || k_.blocked || Space() < slots_per_packet_) return 0;
  return started_ns_ + static_cast<uint64_t>(static_cast<double>(sent_ - paced_from_ + 1) / packets_per_ns_);
}

/// The pace begins with the attachment: a guest that comes late does not get all at once what it missed.
void SourceFlow::StartPace() noexcept {
  started_ns_ = NowNs();
  paced_from_ = sent_;
  // What was filled in lies behind the header of then.
  if (prefilled_hdr_ != k_.vnet_hdr_len) prefilled_ = 0;
  prefilled_hdr_ = k_.vnet_hdr_len;
  slots_per_packet_ = SlotsFor(config_.size + k_.vnet_hdr_len);
  by_slot_ = slots_per_packet_ > 1 || k_.vnet_hdr_len > 0;
}

/// Where a slot has its offset, nothing is known to have been filled in, neither now nor afterwards.
void SourceFlow::HeedOffsets() noexcept {
  slots_per_packet_ = SlotsFor(config_.size + k_.vnet_hdr_len);
  by_slot_ = true;
  prefilled_ = 0;
  prefilled_hdr_ = UINT32_MAX;
}

void SourceFlow::EndRx() noexcept {
  TakeReleased();
  started_ns_ = 0;
}

Used SourceFlow::Poll(const Budget& budget) noexcept {
  Kring& k = k_;
  if (!k.attached() || k.blocked || Exhausted() || !TakeReleased()) return {};
  if (started_ns_ == 0) StartPace();
  if (k.has_offsets()) [[unlikely]]
    HeedOffsets();
  const uint32_t room = Space();
  if (room < slots_per_packet_) return {};
  const uint32_t space = std::min(room, std::max(std::min(kBatch, budget.slots), slots_per_packet_));
  const uint32_t tail = k.hwtail;
  const uint64_t before = sent_;
  uint32_t bytes = 0;
  if (!Produce(space, budget, &bytes)) k.Block(&k.counters->drops[static_cast<int>(Drop::kBadBuf)]);
  const uint32_t slots = k.Distance(tail, k.hwtail);
  if (slots == 0) return {};
  // A number that nobody has seen may be missing; none comes twice.
  RecordSent();
  k.Record();
  Add(k.counters->packets, sent_ - before);
  Add(k.counters->bytes, (sent_ - before) * (config_.size + k.vnet_hdr_len));
  Add(k.counters->syncs, 1);
  k.Publish();
  Notify(k);
  return {.moved = true, .slots = slots, .bytes = bytes};
}

/// Makes packets for up to `space` slots; false when a slot shows a buffer outside the region. `written`: bytes of
/// payload.
bool SourceFlow::Produce(uint32_t space, const Budget& budget, uint32_t* written) noexcept {
  uint64_t allowed = std::min<uint64_t>(Allowance(), slots_per_packet_ == 1 ? space : space / slots_per_packet_);
  const bool writes = config_.payload == Payload::kFull || prefilled_ < k_.num_slots;
  if (writes) allowed = std::min<uint64_t>(allowed, std::max(budget.bytes / config_.size, 1u));
  const uint64_t before = sent_;
  bool fine = true;
  if (by_slot_) {
    for (; allowed > 0 && fine; allowed--) fine = MakeSlots();
  } else {
    // The first lap writes every byte of every buffer.
    uint64_t whole = 0;
    if (writes) {
      whole = std::min(config_.payload == Payload::kFull ? allowed : k_.num_slots - prefilled_, allowed);
      fine = MakeRun<Payload::kFull>(whole);
      prefilled_ += sent_ - before;
    }
    if (config_.payload == Payload::kStamp)
      fine = fine && MakeRun<Payload::kStamp>(allowed - whole);
    else
      fine = fine && MakeUntouched(allowed - whole);
  }
  if (writes) *written = static_cast<uint32_t>((sent_ - before) * config_.size);
  return fine;
}

/// Of up to `most` slots from `i`, those that already show a packet of ours, four at a time, as far as they do not
/// wrap.
uint32_t SourceFlow::CountReady(uint32_t i, uint64_t most) const noexcept {
  const PlainSlots plain(k_);
  const __m128i len = _mm_set1_epi32(static_cast<int>(config_.size));
  most = std::min<uint64_t>(most, k_.num_slots - i);
  uint32_t n = 0;
  for (; most - n >= kQuad; n += kQuad) {
    const Quad q = ReadQuad(k_.slots + i + n);
    if (!plain.All(q) || !AllOnes(_mm_cmpeq_epi32(q.len_and_flags(), len))) break;
  }
  return n;
}

/// `count` packets of one slot each whose payload stays what it is.
bool SourceFlow::MakeUntouched(uint64_t count) noexcept {
  while (count >= kQuad) {
    const uint32_t ready = CountReady(k_.hwtail, count);
    k_.hwtail = k_.Advance(k_.hwtail, ready);
    sent_ += ready;
    count -= ready;
    const uint64_t others = std::min<uint64_t>(count, kQuad);
    if (!MakeRun<Payload::kNone>(others)) return false;
    count -= others;
  }
  return count == 0 || MakeRun<Payload::kNone>(count);
}

/// `count` packets of one slot each.
template <Payload level>
bool SourceFlow::MakeRun(uint64_t count) noexcept {
  const auto len = static_cast<uint16_t>(config_.size);
  const uint32_t ahead = std::min(kPrefetchAhead, k_.num_slots - 1);
  NetmapSlot* const slots = k_.slots;
  uint32_t i = k_.hwtail;
  uint64_t done = 0;
  for (; done < count; done++) {
    if constexpr (level != Payload::kNone) PrefetchForWrite(k_.BufAhead(k_.Advance(i, ahead)));
    const SlotWord old = ReadSlot(slots[i]);
    if (!k_.ValidBuf(old.buf_idx)) [[unlikely]]
      break;
    if constexpr (level != Payload::kNone) Write<level>(k_.Buf(old.buf_idx), sent_ + done, 0, len);
    UpdateSlot(slots[i], old, {old.buf_idx, len, 0});
    i = k_.Next(i);
  }
  sent_ += done;
  k_.hwtail = i;
  return done == count;
}

/// One packet of any number of slots, behind a virtio-net header that asks for nothing.
bool SourceFlow::MakeSlots() noexcept {
  uint32_t i = k_.hwtail;
  bool stamp = config_.payload == Payload::kStamp && prefilled_ >= k_.num_slots;
  bool writes = config_.payload != Payload::kNone || prefilled_ < k_.num_slots;
  const uint32_t vnet_hdr_len = k_.vnet_hdr_len, len = vnet_hdr_len + config_.size;
  for (uint32_t offset = 0; offset < len; offset += k_.room, i = k_.Next(i)) {
    const SlotWord old = ReadSlot(k_.slots[i]);
    if (!k_.ValidBuf(old.buf_idx)) return false;
    uint32_t n = std::min<uint32_t>(len - offset, k_.room);
    if (writes) {
      const uint32_t header = offset == 0 ? vnet_hdr_len : 0, from = offset + header - vnet_hdr_len;
      uint8_t* to = k_.PlaceOf(k_.slots[i], old.buf_idx);
      memset(to, 0, header);
      to += header;
      stamp ? Write<Payload::kStamp>(to, sent_, from, n - header) : Write<Payload::kFull>(to, sent_, from, n - header);
    }
    const bool last = offset + n == len;
    UpdateSlot(k_.slots[i], old,
               {old.buf_idx, static_cast<uint16_t>(n), static_cast<uint16_t>(last ? 0 : NS_MOREFRAG)});
  }
  prefilled_ += writes ? slots_per_packet_ : 0;
  sent_++;
  k_.hwtail = i;
  return true;
}

template <Payload level>
void SourceFlow::Write(uint8_t* to, uint64_t seq, uint32_t offset, uint32_t n) noexcept {
  if (offset == 0) probe::Stamp(to, header_, seq, config_.size);
  if constexpr (level == Payload::kFull) {
    uint32_t skip = offset == 0 ? probe::kHeaderLen : 0;
    probe::Fill(to + skip, seq, header_.stream, offset + skip, n - skip);
  }
}

/// Takes what was given back, so that Due() sees the same room.
bool SourceFlow::HasRoom() noexcept { return TakeReleased() && Space() >= slots_per_packet_; }

bool SourceFlow::Arm() noexcept {
  // With nothing to send now, what the guest gives back is of no use: it need not kick.
  if (!k_.attached() || Exhausted()) return false;
  if (!k_.blocked && HasRoom()) return Allowance() > 0;
  k_.EnableKicks();
  if (k_.blocked || !HasRoom()) return false;
  Disarm();
  return true;
}

void SourceFlow::Disarm() noexcept { k_.DisableKicks(); }

}  // namespace ptnet
