// VALE's data path, the sender's half: reads a batch from a tx ring and sends it through the switch.
#include <algorithm>
#include <utility>

#include "forward/vale.h"

namespace ptnet {

Used ValeFlow::Poll(const Budget& budget) noexcept {
  uint32_t head = k_.hwcur;
  if (!k_.attached() || k_.blocked) return {};
  if (!batch_open_ && (!k_.LoadHead(&head) || head == k_.hwcur)) return {};
  ValeSwitch& sw = *port_.vale();
  Used used;
  const bool run = port_.joined() && !batch_open_ && !budget.measured;
  uint32_t done = run ? ForwardRun(sw, head, budget, &used) : k_.hwcur;
  if (std::exchange(waits_, false)) return {};
  if (done == k_.hwcur) done = ForwardBatch(sw, head, budget, &used);
  used.moved = done != k_.hwcur || used.destinations > 0;
  if (done == k_.hwcur) return used;  // the end of a packet, or a piece of the batch, is still to come
  used.slots = k_.Distance(k_.hwcur, done);
  TakeUpTo(k_, done);
  ShowTaken(k_);
  return used;
}

/// Forwards packets of any kind, a batch at a time; the new hwcur, which is the old one before the whole batch is
/// delivered.
uint32_t ValeFlow::ForwardBatch(ValeSwitch& sw, uint32_t head, const Budget& budget, Used* used) noexcept {
  uint64_t nowhere = 0;
  if (!batch_open_) {
    // From copies on, what takes long is not the sender's doing.
    batch_copied_ = budget.measured && bounce_.Clear();
    Lookup* const lookup = sw.lookup();
    const uint32_t most = lookup == nullptr ? SwitchBatch::kPiecesMax : SwitchBatch::kSharedMost;
    batch_end_ = Read(head, std::min(most, budget.slots));
    if (!port_.joined()) {
      CountNowhere(batch_.CountPackets());
      return batch_end_;
    }
    nowhere = batch_.Route(sw, port_.member(), lookup, true);
    batch_open_ = true;
  }
  Budget left = budget;
  left.measured = batch_copied_;
  batch_open_ = !batch_.Deliver(sw, k_.index, left, used, &nowhere);
  batch_.CountDrops(*k_.counters);
  CountNowhere(nowhere);
  return batch_open_ ? k_.hwcur : batch_end_;
}

void ValeFlow::CountNowhere(uint64_t packets) noexcept {
  if (packets > 0) k_.counters->CountDrop(Drop::kNoDestination, packets);
}

/// Reads whole packets from hwcur towards `head` into the batch, about `most` slots, and asks for the first line of
/// each; where it ends. From there on whoever goes on begins: what one of several receivers has, it is not sent again.
uint32_t ValeFlow::Read(uint32_t head, uint32_t most) noexcept {
  uint64_t packets = 0, bytes = 0;
  HeldDrops drops;
  uint32_t i = k_.hwcur;
  const uint32_t vnet_hdr_len = k_.vnet_hdr_len, shortest = vnet_hdr_len + kEthernetHeader;
  batch_.Clear(vnet_hdr_len);
  while (i != head && most > 0) {
    SlotWord w = ReadSlot(k_.slots[i]);
    if (!(w.flags & NS_MOREFRAG) && w.len >= shortest && IsPlain(k_, w)) [[likely]] {
      Frag frag{k_.Buf(w.buf_idx), w.len};
      if (!batch_copied_) [[likely]] {
        __builtin_prefetch(frag.data);
      } else {
        if (!bounce_.Fits(frag.len)) break;
        bounce_.Take(&frag);
      }
      batch_.Add(frag, w.flags);
      packets++;
      bytes += w.len;
      i = k_.Next(i);
      most--;
      continue;
    }
    if (!ReadPacket(k_, i, head, &packet_)) break;
    // The header is looked at in one piece, so one slot must hold it: the first, or the one behind a virtio-net header.
    const bool alone = vnet_hdr_len > 0 && packet_.frags[0].len == vnet_hdr_len && packet_.slots > 1;
    if (packet_.good() && packet_.frags[alone ? 1 : 0].len < (alone ? kEthernetHeader : shortest))
      packet_.cause = Drop::kBadLen;
    if (packet_.good() && (packet_.slots > batch_.room() || (batch_copied_ && !bounce_.Fits(packet_.len)))) break;
    i = k_.Advance(i, packet_.slots);
    most -= std::min(most, packet_.slots);
    if (!packet_.good()) {
      drops.Count(packet_.cause);
      continue;
    }
    packets++;
    bytes += packet_.len;
    for (uint32_t f = 0; f < packet_.slots; f++)
      batch_copied_ ? bounce_.Take(&packet_.frags[f]) : __builtin_prefetch(packet_.frags[f].data);
    batch_.Add({packet_.frags, packet_.slots, packet_.len}, packet_.flags);
  }
  k_.RecordTaken(i);
  Add(k_.counters->packets, packets);
  Add(k_.counters->bytes, bytes);
  drops.CountIn(*k_.counters);
  return i;
}

void ValeFlow::EndTx() noexcept {
  if (!std::exchange(batch_open_, false)) return;
  batch_.Abandon();
  TakeUpTo(k_, batch_end_);
}

void ValeFlow::Settle() noexcept {
  // Each piece ends: who holds a receiver's ring gives it back in microseconds, and one without room is waited for as
  // long as the switch has patience, and no longer.
  while (batch_open_ && k_.attached() && !k_.blocked) (void)Poll(kSyncBudget);
  waits_since_ns_ = 0;
}

bool ValeFlow::Arm() noexcept {
  if (k_.attached() && (batch_open_ || (waits_since_ns_ != 0 && HasWork()))) return true;
  return TxFlow::Arm();
}

}  // namespace ptnet
