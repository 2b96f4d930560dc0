// MonitorRing: under the rx ring's lock, one look at the monitor's head, the copies, one publication, one interrupt.
#include "forward/monitor_ring.h"

#include <algorithm>

#include "datapath/notify.h"
#include "forward/monitor_block.h"
#include "ring/quad.h"

namespace ptnet {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint32_t kTogether = 16;  // slots of which one look says whether all are packets by themselves

uint16_t FlagOf(Way way) { return way == Way::kTx ? NS_TXMON : 0; }

/// Packets that end in these slots.
uint64_t CountPackets(const Kring& k, uint32_t first, uint32_t slots) {
  if (k.alone) [[likely]]
    return slots;
  uint64_t packets = 0;
  for (uint32_t i = first; slots > 0;) {
    const uint32_t run = std::min({slots, k.num_slots - i, kTogether});
    if (!AnyOf(k.slots + i, run, NS_MOREFRAG)) [[likely]] {
      packets += run;
    } else {
      for (uint32_t n = 0; n < run; n++) packets += !(ReadSlot(k.slots[i + n]).flags & NS_MOREFRAG);
    }
    slots -= run;
    i = k.Advance(i, run);
  }
  return packets;
}

/// Brings the pages of these slots' buffers in, so that whoever takes them away does not make others pay for it.
void TouchBuffers(const Kring& k, uint32_t first, uint32_t slots) {
  for (uint32_t i = first; slots > 0; slots--, i = k.Next(i)) {
    const uint8_t* const at = k.BufAhead(i);
    for (uint64_t n = 0; n < k.buf_size; n += kPage) (void)*const_cast<const volatile uint8_t*>(at + n);
  }
}

/// A packet behind so many bytes of its own; empty when it has no more.
Pieces Behind(const Pieces& packet, uint32_t skipped, Frag* first) {
  if (packet.len <= skipped) return {packet.frags, 0, 0};
  Pieces rest{packet.frags, packet.count, packet.len - skipped};
  while (skipped >= rest.frags->len) {
    skipped -= rest.frags->len;
    rest.frags++, rest.count--;
  }
  *first = {rest.frags->data + skipped, rest.frags->len - skipped};
  return rest;
}

}  // namespace

/// Takes the lock. False when nobody is there, or not now.
bool MonitorRing::Open() noexcept {
  k_.lock.Lock();
  to_.emplace(k_);
  up_ = !memory_.paused() && to_->Open();
  if (!up_) return false;
  k_.Unblock();
  k_.DisableKicks();  // a ring that was mended in time still has them enabled
  return true;
}

/// With the lock of the ring that is watched held, maybe: raising an interrupt takes its senders a microsecond then.
void MonitorRing::Close() noexcept {
  Interrupt* const wanted = to_->Publish();
  k_.lock.Unlock();
  Raise(k_, wanted);
}

void MonitorRing::OnSlots(const Kring& k, uint32_t first, uint32_t slots) noexcept {
  if (!StallTimer::Running()) [[likely]]
    return CopySlots(k, first, slots);
  TouchBuffers(k, first, slots);
  memory_.Touch([&] { CopySlots(k, first, slots); });
}

void MonitorRing::CopySlots(const Kring& from, uint32_t first, uint32_t slots) noexcept {
  const bool up = Open();
  const Way way = from.dir == Dir::kTx ? Way::kTx : Way::kRx;
  const bool plain = !from.has_offsets() && !k_.has_offsets();
  for (Drop cause = up ? Drop::kCount : Drop::kDown; slots > 0;) {
    if (cause == Drop::kCount && plain) {
      const uint32_t n = CopyRun(from, first, slots, &cause);
      first = from.Advance(first, n);
      slots -= n;
      if (n > 0 || slots == 0) continue;
    }
    if (cause != Drop::kCount) {
      k_.counters->CountDrop(cause, CountPackets(from, first, slots));
      break;
    }
    // Of several slots, behind a header in one of its own, with an offset, or one that its guest has spoilt meanwhile.
    if (!ReadPacket(from, first, from.Advance(first, slots), &packet_)) {
      k_.counters->CountDrop(Drop::kBadFrags);
      break;
    }
    if (packet_.good()) CopyPacket({packet_.frags, packet_.slots, packet_.len}, from.vnet_hdr_len, way);
    first = from.Advance(first, packet_.slots);
    slots -= packet_.slots;
  }
  Close();
}

/// Copies packets of one slot each as far as there are some, and room; how many. `*cause`: why no other one fits.
uint32_t MonitorRing::CopyRun(const Kring& from, uint32_t first, uint32_t slots, Drop* cause) noexcept {
  // The one look at what the client has given back.
  const uint32_t most = to_->Room(slots) ? slots : to_->space();
  uint32_t n = 0;
  while (n < most) {
    n += CopyBlocks(from, from.Advance(first, n), most - n);
    // What no block takes goes one by one, and then a block is tried again.
    for (const uint32_t stop = std::min(most, n + kQuad); n < stop; n++)
      if (!CopySlot(from, from.Advance(first, n), cause)) return n;
  }
  if (n < slots) *cause = Drop::kFull;
  return n;
}

/// Whole blocks of plain packets, for which there must be room; how many packets. While one block is copied, the next
/// one's buffers are on their way.
uint32_t MonitorRing::CopyBlocks(const Kring& from, uint32_t first, uint32_t slots) noexcept {
  const uint16_t flag = FlagOf(from.dir == Dir::kTx ? Way::kTx : Way::kRx);
  const MonitorBlock::Rules rules(from, k_, flag);
  MonitorBlock blocks[2];
  MonitorBlock *now = &blocks[0], *next = &blocks[1];
  uint32_t i = first, o = to_->tail(), left = slots;  // what has not been looked at
  uint64_t bytes = 0;
  const auto look = [&](MonitorBlock* block) {
    const uint32_t n = block->Look(rules, i, o, left);
    i = from.Advance(i, n), o = k_.Advance(o, n), left -= n;
    return n > 0;
  };
  for (bool any = look(now); any; std::swap(now, next)) {
    any = look(next);
    bytes += now->Copy();
  }
  to_->Took(slots - left, bytes);
  return slots - left;
}

/// One packet of one slot, for which there must be room. False when it is another kind of packet, or, with `*cause`,
/// when the slot that it would go to shows no buffer of its region.
bool MonitorRing::CopySlot(const Kring& from, uint32_t i, Drop* cause) noexcept {
  const uint32_t skipped = from.vnet_hdr_len, most = std::min(from.buf_size, k_.buf_size + skipped) - skipped - 1;
  const SlotWord w = ReadSlot(from.slots[i]);
  if ((w.flags & MonitorBlock::kNotAlone) || !from.ValidBuf(w.buf_idx) || w.len - skipped - 1 > most) return false;
  const uint32_t at = to_->tail(), len = w.len - skipped;
  const SlotWord old = ReadSlot(k_.slots[at]);
  if (!k_.ValidBuf(old.buf_idx)) {
    *cause = Drop::kBadBuf;
    return false;
  }
  ptnet::CopyPacket(k_.Buf(old.buf_idx), from.Buf(w.buf_idx) + skipped, len);
  const uint16_t flag = FlagOf(from.dir == Dir::kTx ? Way::kTx : Way::kRx);
  UpdateSlot(k_.slots[at], old, {old.buf_idx, static_cast<uint16_t>(len), flag});
  to_->Took(1, len);
  return true;
}

/// One that may take several slots.
void MonitorRing::CopyPacket(const Pieces& packet, uint32_t vnet_hdr_len, Way way) noexcept {
  Frag first;
  Pieces frame = Behind(packet, vnet_hdr_len, &first);
  if (frame.len == 0) return;
  Frag frags[kMaxPieces];
  std::copy_n(frame.frags, frame.count, frags);
  frags[0] = first;
  frame.frags = frags;
  const uint32_t begin = to_->tail();
  const Drop cause = to_->Put(frame);
  if (cause != Drop::kCount) return k_.counters->CountDrop(cause);
  for (uint32_t i = begin; way == Way::kTx && i != to_->tail(); i = k_.Next(i)) {
    const SlotWord w = ReadSlot(k_.slots[i]);
    WriteSlot(k_.slots[i], {w.buf_idx, w.len, static_cast<uint16_t>(w.flags | NS_TXMON)});
  }
}

/// Whoever finds out whose memory it waits for sends copies of its own.
void MonitorRing::Begin() noexcept {
  Open();
  if (StallTimer::Running()) timer_.emplace();
}

void MonitorRing::OnPacket(const Pieces& packet, uint32_t vnet_hdr_len, Way way) noexcept {
  up_ ? CopyPacket(packet, vnet_hdr_len, way) : k_.counters->CountDrop(Drop::kDown);
}

void MonitorRing::End() noexcept {
  if (timer_) memory_.Charge(timer_->Take());
  timer_.reset();
  Close();
}

}  // namespace ptnet
