// SwitchBatch: learning, looking up, and the delivery to one member after the other.
#include "forward/switch_batch.h"

#include <algorithm>
#include <bit>

#include "datapath/clock.h"

namespace ptnet {

void SwitchBatch::Add(const Pieces& packet, uint16_t flags) noexcept {
  items_[pieces_] = {packet.len, kEnd, static_cast<uint16_t>(packet.count), flags};
  std::copy_n(packet.frags, packet.count, &frags_[pieces_]);
  pieces_ += packet.count;
}

uint32_t SwitchBatch::CountPackets() const noexcept {
  uint32_t packets = 0;
  for (uint32_t at = 0; at < pieces_; at += items_[at].count) packets++;
  return packets;
}

/// Adds a packet behind the others of its chain; an empty chain has first == kEnd.
void SwitchBatch::Append(Chain* chain, uint16_t at) noexcept {
  items_[at].next = kEnd;
  (chain->first == kEnd ? chain->first : items_[chain->last].next) = at;
  chain->last = at;
}

uint64_t SwitchBatch::CountChain(uint16_t at) const noexcept {
  uint64_t packets = 0;
  for (; at != kEnd; at = items_[at].next) packets++;
  return packets;
}

uint64_t SwitchBatch::Route(ValeSwitch& sw, const SwitchMember& from) noexcept {
  departures_ = sw.departures();
  destinations_count_ = destination_ = 0;
  begun_ = reached_ = false;
  flood_ = {kEnd, kEnd};
  ForwardingTable& table = sw.table();
  const uint32_t now_s = sw.now_s();
  uint64_t learned = 0;  // the last source: a burst has mostly one
  uint64_t nowhere = 0, flooded = 0;
  for (uint32_t at = 0; at < pieces_; at += items_[at].count) {
    const uint8_t* const header = EthernetHeader(at);
    const uint64_t dst = ForwardingTable::MacAt(header), src = ForwardingTable::MacAt(header + 6);
    if (src != learned && !ForwardingTable::IsMulticast(src) && !(items_[at].flags & NS_NO_LEARN)) {
      table.Learn(src, from.number(), now_s);
      learned = src;
    }
    const uint32_t to = ForwardingTable::IsMulticast(dst) ? ForwardingTable::kUnknown : table.Lookup(dst, now_s);
    if (to == ForwardingTable::kUnknown || sw.member(to) == nullptr) {
      if (from.storm_control() != nullptr && !from.storm_control()->Lets(dst, NowNs())) [[unlikely]] {
        storm_++;
        continue;
      }
      Append(&flood_, static_cast<uint16_t>(at));
      flooded++;
    } else if (to == from.number()) {
      nowhere++;  // never back to where it came from
    } else {
      AddDestination(to, from.number());
      Append(&chains_[to], static_cast<uint16_t>(at));
    }
  }
  if (flooded > 0) {
    for (uint32_t w = 0; w < ValeSwitch::kWords; w++)
      for (uint64_t bits = sw.present(w); bits != 0; bits &= bits - 1)
        AddDestination(64 * w + static_cast<uint32_t>(std::countr_zero(bits)), from.number());
    if (destinations_count_ == 0) nowhere += flooded;
  }
  return nowhere;
}

void SwitchBatch::AddDestination(uint32_t port, uint32_t from) noexcept {
  if (port == from || is_destination_[port]) return;
  is_destination_[port] = true;
  destinations_[destinations_count_++] = static_cast<uint8_t>(port);
  chains_[port] = {kEnd, kEnd};
}

bool SwitchBatch::Deliver(ValeSwitch& sw, uint32_t lane, const Budget& budget, Used* used, uint64_t* nowhere) noexcept {
  for (; destination_ < destinations_count_; destination_++) {
    const uint32_t to = destinations_[destination_];
    const bool begun = std::exchange(begun_, false);
    if (!begun) {
      unicast_left_ = chains_[to].first;
      flood_left_ = flood_.first;
    }
    // Once a member has left, another one may have taken its place.
    SwitchMember* member = sw.departures() == departures_ ? sw.member(to) : nullptr;
    if (member == nullptr) {
      *nowhere += CountChain(unicast_left_);
      // Those for everybody count once, if nobody else has got them.
      if (!reached_ && destination_ + 1 == destinations_count_) *nowhere += CountChain(flood_left_);
    } else {
      begun_ = true;
      if (!begun) {
        cut_at_ = kEnd;
        if (ReceiveLimit* limit = member->receive_limit()) Admit(*limit, lane);
      }
      if (used->destinations >= budget.destinations || used->bytes >= budget.bytes) return false;
      MemberPackets packets(*this, unicast_left_, flood_left_);
      Cut();
      const bool all = member->Deliver(&packets, lane, budget, used);
      Cut();
      unicast_left_ = packets.unicast_;
      flood_left_ = packets.flood_;
      if (!all) return false;
      begun_ = false;
      reached_ = true;
    }
    is_destination_[to] = false;
  }
  return true;
}

/// Counts what the next destination gets against its limit. What is too much it does not get: its own chain ends before
/// that, and the one for everybody is cut while it is served.
void SwitchBatch::Admit(ReceiveLimit& limit, uint32_t lane) noexcept {
  const uint64_t now_ns = NowNs(), most = limit.Tokens(now_ns);
  uint64_t bytes = 0, dropped = 0;
  uint16_t last_unicast = kEnd, last_flood = kEnd;
  for (MemberPackets all(*this, unicast_left_, flood_left_); !all.empty();) {
    uint16_t& last = all.unicast_ < all.flood_ ? last_unicast : last_flood;
    const uint16_t at = all.Next();
    const uint32_t len = all.Take().len - vnet_hdr_len_;
    if (bytes >= most) {
      dropped++;
      continue;
    }
    bytes += len;
    last = at;
  }
  limit.Take(bytes, now_ns);
  if (dropped == 0) return;
  limit.CountDrop(lane, dropped);
  (last_unicast == kEnd ? unicast_left_ : items_[last_unicast].next) = kEnd;
  if (last_flood == kEnd) {
    flood_left_ = kEnd;
  } else {
    cut_at_ = last_flood;
    cut_next_ = kEnd;
  }
}

void SwitchBatch::Abandon() noexcept {
  while (destination_ < destinations_count_) is_destination_[destinations_[destination_++]] = false;
  begun_ = false;
}

}  // namespace ptnet
