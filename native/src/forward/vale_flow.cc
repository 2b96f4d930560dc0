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
  if (!k_.attached() || k_.blocked) return {};
  if (!batch_open_ && (!k_.LoadHead(&head) || head == k_.hwcur)) return {};
  ValeSwitch& sw = *port_.vale();
  Used used;
  uint32_t done = port_.joined() && !batch_open_ ? ForwardRun(sw, head, budget, &used) : k_.hwcur;
  if (std::exchange(waits_, false)) return {};
  if (done == k_.hwcur) done = ForwardBatch(sw, head, budget, &used);
  used.moved = done != k_.hwcur || used.destinations > 0;
  if (done == k_.hwcur) return used;  // the end of a packet, or a piece of the batch, is still to come
  used.slots = k_.Distance(k_.hwcur, done);
  k_.hwcur = done;
  k_.hwtail = k_.Prev(done);
  Add(k_.counters->syncs, 1);
  k_.Publish();
  Notify(k_);
  return used;
}

/// Forwards packets of any kind, a batch at a time; the new hwcur, which is the old one before the whole batch is delivered.
uint32_t ValeFlow::ForwardBatch(ValeSwitch& sw, uint32_t head, const Budget& budget, Used* used) noexcept {
  if (!batch_open_) {
    batch_end_ = Read(head, std::min(kBatchSlots, budget.slots));
    if (!port_.joined()) {
      for (uint32_t at = 0; at < items_; at += batch_[at].frags) k_.counters->CountDrop(Drop::kNoDestination);
      return batch_end_;
    }
    Route(sw);
    batch_open_ = true;
  }
  if (!Deliver(sw, budget, used)) return k_.hwcur;
  batch_open_ = false;
  return batch_end_;
}

/// Reads whole packets from hwcur towards `head` into the batch, about `most` slots, and asks for the first line of each;
/// where it ends.
uint32_t ValeFlow::Read(uint32_t head, uint32_t most) noexcept {
  uint64_t packets = 0, bytes = 0;
  uint32_t i = k_.hwcur;
  items_ = 0;
  while (i != head && most > 0) {
    SlotWord w = ReadSlot(k_.slots[i]);
    if (!(w.flags & NS_MOREFRAG) && w.len >= kEthernetHeader && CheckSlot(k_, w) == Drop::kCount) [[likely]] {
      uint8_t* data = k_.Buf(w.buf_idx);
      __builtin_prefetch(data);
      batch_[items_++] = {{data, w.len}, w.len, kEnd, 1, w.flags};
      packets++;
      bytes += w.len;
      i = k_.Next(i);
      most--;
      continue;
    }
    if (!ReadPacket(k_, i, head, &packet_)) break;
    // The header is looked at in one piece, so the first slot must hold it.
    if (packet_.good() && packet_.frags[0].len < kEthernetHeader) packet_.cause = Drop::kBadLen;
    if (packet_.good() && items_ + packet_.slots > kBatchSlots) break;
    i = k_.Advance(i, packet_.slots);
    most -= std::min(most, packet_.slots);
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
  departures_ = sw.departures();
  destinations_count_ = destination_ = 0;
  uint32_t flooded = 0;
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
      flooded++;
    } else if (to == port_.number()) {
      no_destination++;  // never back to where it came from
    } else {
      AddDestination(to);
      Append(&chains_[to], static_cast<uint16_t>(at));
    }
  }
  if (flooded > 0) {
    for (uint32_t w = 0; w < ValeSwitch::kWords; w++)
      for (uint64_t bits = sw.present(w); bits != 0; bits &= bits - 1)
        AddDestination(64 * w + static_cast<uint32_t>(std::countr_zero(bits)));
    if (destinations_count_ == 0) no_destination += flooded;
  }
  if (no_destination > 0) k_.counters->CountDrop(Drop::kNoDestination, no_destination);
  BeginDestination();
}

void ValeFlow::AddDestination(uint32_t port) noexcept {
  if (port == port_.number() || is_destination_[port]) return;
  is_destination_[port] = true;
  destinations_[destinations_count_++] = static_cast<uint8_t>(port);
  chains_[port] = {kEnd, kEnd};
}

void ValeFlow::BeginDestination() noexcept {
  if (destination_ < destinations_count_) left_ = {chains_[destinations_[destination_]].first, flood_.first};
}

/// Every destination gets its own packets and those for everybody, in the order in which they were sent. False when some are
/// left for the next poll.
bool ValeFlow::Deliver(ValeSwitch& sw, const Budget& budget, Used* used) noexcept {
  while (destination_ < destinations_count_) {
    const uint32_t to = destinations_[destination_];
    // Once a port has left, another one may have taken its place.
    ValePort* port = sw.departures() == departures_ ? sw.port(to) : nullptr;
    if (port == nullptr) {
      DropUnicast();
    } else {
      if (used->destinations >= budget.destinations || used->bytes >= budget.bytes) return false;
      if (!ValeDelivery(*this, *port, k_.index).Deliver(&left_, budget, used)) return false;
    }
    is_destination_[to] = false;
    destination_++;
    BeginDestination();
  }
  return true;
}

/// What is left for one port goes nowhere.
void ValeFlow::DropUnicast() noexcept {
  for (uint16_t at = left_.unicast; at != kEnd; at = batch_[at].next) k_.counters->CountDrop(Drop::kNoDestination);
}

void ValeFlow::EndTx() noexcept {
  if (!std::exchange(batch_open_, false)) return;
  while (destination_ < destinations_count_) is_destination_[destinations_[destination_++]] = false;
  k_.hwcur = batch_end_;
  k_.hwtail = k_.Prev(batch_end_);
}

bool ValeFlow::Arm() noexcept {
  if (!k_.attached()) return false;
  if (batch_open_ || (waits_since_ns_ != 0 && HasWork())) return true;
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
