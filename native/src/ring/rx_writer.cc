// RxWriter: packets of several slots, as they are or cut to the receiver's buffers.
#include "ring/rx_writer.h"

#include <algorithm>

namespace ptnet {
namespace {

/// Of the s-th of so many slots of a packet: how many there are, and whether another one follows.
uint16_t RxFlags(uint32_t s, uint32_t slots) {
  return static_cast<uint16_t>((slots > 1 ? slots << 8 : 0) | (s + 1 < slots ? NS_MOREFRAG : 0));
}

}  // namespace

bool RxWriter::MoreRoom(uint32_t slots) noexcept {
  uint32_t head = k_.hwcur;
  if (!k_.LoadHead(&head)) return false;
  k_.TakeBack(head);
  space_ = k_.FreeSlots(tail_);
  return slots <= space_;
}

Drop RxWriter::PutSlots(const Pieces& packet) noexcept {
  const uint32_t slots = SlotsFor(packet);
  if (slots > kMaxFrags || slots >= k_.num_slots) return Drop::kBadFrags;
  if (!Room(slots)) return Drop::kFull;
  if (!(MustCut(packet) ? CopyCut(packet, slots) : CopyWhole(packet))) return Drop::kBadBuf;
  tail_ = k_.Advance(tail_, slots);
  space_ -= slots;
  packets_++;
  bytes_ += packet.len;
  return Drop::kCount;
}

/// Piece by piece, one slot each.
bool RxWriter::CopyWhole(const Pieces& packet) noexcept {
  for (uint32_t f = 0, i = tail_; f < packet.count; f++, i = k_.Next(i)) {
    const Frag& frag = packet.frags[f];
    const SlotWord w = ReadSlot(k_.slots[i]);
    if (!k_.ValidBuf(w.buf_idx)) [[unlikely]]
      return false;
    uint8_t* const to = k_.PlaceOf(k_.slots[i], w.buf_idx);
    CopyPacket(to, frag.data, frag.len);
    if (f == 0) last_ = {to, frag.len};
    WriteSlot(k_.slots[i], {w.buf_idx, static_cast<uint16_t>(frag.len), RxFlags(f, packet.count)});
  }
  return true;
}

/// Into other pieces: every slot but the last is filled.
bool RxWriter::CopyCut(const Pieces& packet, uint32_t slots) noexcept {
  uint32_t piece = 0, at = 0, left = packet.len;  // at: bytes taken from the piece
  for (uint32_t s = 0, i = tail_; s < slots; s++, i = k_.Next(i)) {
    const SlotWord w = ReadSlot(k_.slots[i]);
    if (!k_.ValidBuf(w.buf_idx)) return false;
    uint8_t* const to = k_.PlaceOf(k_.slots[i], w.buf_idx);
    const uint32_t want = std::min<uint32_t>(left, k_.room);
    for (uint32_t have = 0; have < want;) {
      const Frag& frag = packet.frags[piece];
      const uint32_t n = std::min(want - have, frag.len - at);
      memmove(to + have, frag.data + at, n);
      have += n, at += n;
      if (at == frag.len) piece++, at = 0;
    }
    if (s == 0) last_ = {to, want};
    left -= want;
    WriteSlot(k_.slots[i], {w.buf_idx, static_cast<uint16_t>(want), RxFlags(s, slots)});
  }
  return true;
}

Drop RxWriter::Reserve(uint32_t len, Places* places) noexcept {
  const uint32_t slots = len <= k_.plain_room ? 1 : k_.SlotsFor(len);
  if (slots > kMaxFrags || slots >= k_.num_slots) return Drop::kBadFrags;
  if (!Room(slots)) return Drop::kFull;
  places->slots = slots;
  places->buf_size = k_.room;
  for (uint32_t s = 0, i = tail_; s < slots; s++, i = k_.Next(i)) {
    const SlotWord w = ReadSlot(k_.slots[i]);
    if (!k_.ValidBuf(w.buf_idx)) return Drop::kBadBuf;
    places->words[s] = w;
    places->bufs[s] = k_.PlaceOf(k_.slots[i], w.buf_idx);
  }
  return Drop::kCount;
}

void RxWriter::TookFrame(const SlotWord* words, uint32_t len) noexcept {
  if (len <= k_.room) [[likely]] {
    UpdateSlot(k_.slots[tail_], words[0], {words[0].buf_idx, static_cast<uint16_t>(len), 0});
    return Took(1, len);
  }
  const uint32_t slots = k_.SlotsFor(len);
  for (uint32_t s = 0, left = len; s < slots; s++) {
    const uint32_t n = std::min<uint32_t>(left, k_.room);
    WriteSlot(k_.slots[tail_], {words[s].buf_idx, static_cast<uint16_t>(n), RxFlags(s, slots)});
    tail_ = k_.Next(tail_);
    left -= n;
  }
  space_ -= slots;
  packets_++;
  bytes_ += len;
}

}  // namespace ptnet
