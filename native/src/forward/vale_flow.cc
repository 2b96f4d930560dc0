// VALE's data path, the sender's half: reads a batch, learns and looks up, chains the packets by destination.
#include <algorithm>
#include <bit>
#include <utility>

#include "datapath/notify.h"
#include "forward/vale.h"
#include "forward/vale_delivery.h"

namespace ptnet {
bool ValeFlow::HasWork() noexcept {
  uint32_t head = k_.hwcur;
  return k_.attached() && !k_.blocked && k_.LoadHead(&head) && head != k_.hwcur &&
         ReadPacket(k_, k_.hwcur, head, &packet_);
}

Used ValeFlow::Poll(const Budget& budget) noexcept {
  uint32_t head = k_.hwcur;
  if (!k_.attached() || k_.blocked || !k_.LoadHead(&head) || head == k_.hwcur) return {};
  ValeSwitch& sw = *port_.vale();
  Used used;
  uint32_t done = port_.joined() ? ForwardRun(sw, head, budget, &used) : k_.hwcur;
  if (std::exchange(waits_, false)) return {};
  // A batch may go to all ports of the switch.
  if (done == k_.hwcur && budget.may_wait) done = ForwardBatch(sw, head);
  if (done == k_.hwcur) return {};  // the end of a packet is still to come
  used.moved = true;
  used.slots = k_.Distance(k_.hwcur, done);
  k_.hwcur = done;
  k_.hwtail = k_.Prev(done);
  Add(k_.counters->syncs, 1);
  k_.Publish();
  Notify(k_);
  return used;
}

/// Forwards a batch of any packets; the new hwcur.
uint32_t ValeFlow::ForwardBatch(ValeSwitch& sw, uint32_t head) noexcept {
  const uint32_t done = Read(head);
  if (port_.joined()) {
    Route(sw);
    flooded_ == 0 ? DeliverUnicast(sw) : DeliverWithFlood(sw);
  } else {
    for (uint32_t at = 0; at < items_; at += batch_[at].frags) k_.counters->CountDrop(Drop::kNoDestination);
  }
  return done;
}

/// Reads whole packets from hwcur towards `head` into the batch, and asks for the first line of each; the new hwcur.
uint32_t ValeFlow::Read(uint32_t head) noexcept {
  uint64_t packets = 0, bytes = 0;
  uint32_t i = k_.hwcur;
  items_ = 0;
  while (i != head && items_ < kBatchSlots) {
    SlotWord w = ReadSlot(k_.slots[i]);
    if (!(w.flags & NS_MOREFRAG) && w.len >= kEthernetHeader && CheckSlot(k_, w) == Drop::kCount) [[likely]] {
      uint8_t* data = k_.Buf(w.buf_idx);
      __builtin_prefetch(data);
      batch_[items_++] = {{data, w.len}, w.len, kEnd, 1, w.flags};
      packets++;
      bytes += w.len;
      i = k_.Next(i);
      continue;
    }
    if (!ReadPacket(k_, i, head, &packet_)) break;
    // The header is looked at in one piece, so the first slot must hold it.
    if (packet_.good() && packet_.frags[0].len < kEthernetHeader) packet_.cause = Drop::kBadLen;
    if (packet_.good() && items_ + packet_.slots > kBatchSlots) break;
    i = k_.Advance(i, packet_.slots);
    if (!packet_.good()) {
      k_.counters->CountDrop(packet_.cause);
      continue;
    }
    packets++;
    bytes += packet_.len;
    for (uint32_t f = 0; f < packet_.slots; f++) {
      __builtin_prefetch(packet_.frags[f].data);
      batch_[items_++] = {packet_.frags[f], packet_.len, kEnd, static_cast<uint16_t>(packet_.slots), packet_.flags};
    }
  }
  Add(k_.counters->packets, packets);
  Add(k_.counters->bytes, bytes);
  return i;
}

/// Adds a packet behind the others of its chain; an empty chain has first == kEnd.
void ValeFlow::Append(Chain* chain, uint16_t item) noexcept {
  batch_[item].next = kEnd;
  (chain->first == kEnd ? chain->first : batch_[chain->last].next) = item;
  chain->last = item;
}

/// Learns sources, looks destinations up; unicast packets are chained by port, the others in flood_.
void ValeFlow::Route(ValeSwitch& sw) noexcept {
  touched_count_ = 0;
  flooded_ = 0;
  flood_ = {kEnd, kEnd};
  ForwardingTable& table = sw.table();
  uint64_t learned = 0;  // the last source: a burst has mostly one
  uint64_t no_destination = 0;
  for (uint32_t at = 0; at < items_; at += batch_[at].frags) {
    const Item& item = batch_[at];
    uint64_t dst = ForwardingTable::MacAt(item.frag.data), src = ForwardingTable::MacAt(item.frag.data + 6);
    if (src != learned && !ForwardingTable::IsMulticast(src) && !(item.flags & NS_NO_LEARN)) {
      table.Learn(src, port_.number());
      learned = src;
    }
    uint32_t to = ForwardingTable::IsMulticast(dst) ? ForwardingTable::kUnknown : table.Lookup(dst);
    if (to == ForwardingTable::kUnknown || sw.port(to) == nullptr) {
      Append(&flood_, static_cast<uint16_t>(at));
      flooded_++;
    } else if (to == port_.number()) {
      no_destination++;  // never back to where it came from
    } else {
      if (!in_touched_[to]) {
        in_touched_[to] = true;
        touched_[touched_count_++] = static_cast<uint8_t>(to);
        chains_[to] = {kEnd, kEnd};
      }
      Append(&chains_[to], static_cast<uint16_t>(at));
    }
  }
  if (no_destination > 0) k_.counters->CountDrop(Drop::kNoDestination, no_destination);
}

void ValeFlow::DeliverUnicast(ValeSwitch& sw) noexcept {
  for (uint32_t t = 0; t < touched_count_; t++) {
    uint32_t to = touched_[t];
    in_touched_[to] = false;
    if (ValePort* port = sw.port(to))
      ValeDelivery(*this, *port, k_.index).Deliver(chains_[to].first, kEnd);
    else
      DropChain(chains_[to]);
  }
}

/// Every other port gets its own packets and those for everybody, in the order in which they were sent.
void ValeFlow::DeliverWithFlood(ValeSwitch& sw) noexcept {
  bool somebody = false;
  for (uint32_t w = 0; w < ValeSwitch::kWords; w++) {
    for (uint64_t bits = sw.present(w); bits != 0; bits &= bits - 1) {
      uint32_t to = 64 * w + static_cast<uint32_t>(std::countr_zero(bits));
      ValePort* port = to == port_.number() ? nullptr : sw.port(to);
      if (port == nullptr) continue;
      somebody = true;
      ValeDelivery(*this, *port, k_.index).Deliver(in_touched_[to] ? chains_[to].first : kEnd, flood_.first);
      in_touched_[to] = false;
    }
  }
  for (uint32_t t = 0; t < touched_count_; t++) {
    uint32_t to = touched_[t];
    if (in_touched_[to]) DropChain(chains_[to]);
    in_touched_[to] = false;
  }
  if (!somebody) k_.counters->CountDrop(Drop::kNoDestination, flooded_);
}

/// Their port has left the switch since they were looked up.
void ValeFlow::DropChain(const Chain& chain) noexcept {
  for (uint16_t at = chain.first; at != kEnd; at = batch_[at].next) k_.counters->CountDrop(Drop::kNoDestination);
}

bool ValeFlow::Arm() noexcept {
  if (!k_.attached()) return false;
  if (waits_since_ns_ != 0 && HasWork()) return true;
  StoreRelaxed(k_.ktoa->kern_need_kick, 1);
  // Full barrier: kern_need_kick before head; pairs with the guest, which stores head before it reads the flag.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!HasWork()) return false;
  Disarm();
  return true;
}

void ValeFlow::Disarm() noexcept {
  k_.DisableKicks();
}

}  // namespace ptnet
