// Reads packets out of a tx ring that a guest fills: whole packets only, every slot read once and checked.
#pragma once

#include <cstdint>

#include "ring/kring.h"

namespace ptnet {

struct Frag {
  uint8_t* data;
  uint32_t len;
};

/// One packet, its slots checked; `cause` says why it must be dropped, or kCount when it is fine.
struct Packet {
  Frag frags[kMaxFrags];
  uint32_t slots = 0;
  uint32_t len = 0;
  uint16_t flags = 0;  // of the first slot
  Drop cause = Drop::kCount;

  bool good() const { return cause == Drop::kCount; }
};

/// Why a slot of a tx ring that holds up to `most` bytes cannot be used; kCount when it can.
inline Drop CheckSlot(const Kring& k, SlotWord w, uint32_t most) {
  if (!k.ValidBuf(w.buf_idx)) return Drop::kBadBuf;
  if (w.len > most) return Drop::kBadLen;
  if (w.flags & NS_INDIRECT) return Drop::kBadFlags;
  return Drop::kCount;
}

/// Whether it can be used without a look at its offset.
inline bool IsPlain(const Kring& k, SlotWord w) { return CheckSlot(k, w, k.plain_room) == Drop::kCount; }

/// ReadPacket, slot by slot.
inline bool ReadChain(const Kring& k, uint32_t i, uint32_t head, Packet* p) {
  p->slots = p->len = 0;
  p->cause = Drop::kCount;
  for (; i != head; i = k.Next(i)) {
    SlotWord w = ReadSlot(k.slots[i]);
    const uint32_t offset = k.OffsetOf(k.slots[i]);
    Drop cause = CheckSlot(k, w, k.buf_size - offset);
    if (p->slots == 0) p->flags = w.flags;
    if (p->cause == Drop::kCount) p->cause = cause;
    if (p->slots < kMaxFrags) {
      p->frags[p->slots] = {k.Buf(p->good() ? w.buf_idx : 0) + offset, w.len};
    } else if (p->good()) {
      p->cause = Drop::kBadFrags;
    }
    p->slots++;
    p->len += w.len;
    if (!(w.flags & NS_MOREFRAG)) return true;
  }
  if (p->slots < k.num_slots - 1) return false;
  p->cause = Drop::kBadFrags;
  return true;
}

/// Reads the packet that begins at slot `i` and ends before `head`. False when its end is not there yet. A chain
/// longer than kMaxFrags, or one that fills the ring without an end, comes back as a packet to drop.
inline bool ReadPacket(const Kring& k, uint32_t i, uint32_t head, Packet* p) {
  if (i == head) return false;
  const SlotWord w = ReadSlot(k.slots[i]);
  if ((w.flags & NS_MOREFRAG) || !IsPlain(k, w)) [[unlikely]]
    return ReadChain(k, i, head, p);
  p->frags[0] = {k.Buf(w.buf_idx), w.len};
  p->slots = 1;
  p->len = w.len;
  p->flags = w.flags;
  p->cause = Drop::kCount;
  return true;
}

}  // namespace ptnet
