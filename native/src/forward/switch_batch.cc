// SwitchBatch: learning, looking up, and the delivery to one member after the other.
#include "forward/switch_batch.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "datapath/clock.h"
#include "ring/copy.h"

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

void SwitchBatch::Begin(ValeSwitch& sw) noexcept {
  departures_ = sw.departures();
  destinations_count_ = destination_ = 0;
  begun_ = reached_ = heads_copied_ = false;
  flood_ = {kEnd, kEnd};
}

/// What the packets of a batch have in common on their way to their chains.
struct SwitchBatch::Routing {
  ValeSwitch& sw;
  const SwitchMember& from;
  const PortSet& reach;
  ForwardingTable& table = sw.table();
  const uint32_t now_s = sw.now_s();
  uint64_t learned = 0;  // the last source: a burst has mostly one
  uint64_t nowhere = 0, flooded = 0;

  bool Reaches(uint32_t port) const { return reach[port / 64] >> (port % 64) & 1; }
};

/// Puts a packet where the lookup function says; PTNET_LOOKUP_LEARNED: where its address was seen last. `plain`: there
/// is no such function.
template <bool plain>
[[gnu::always_inline]] inline void SwitchBatch::RouteOne(Routing& routing, uint32_t at, uint32_t verdict) noexcept {
  // Nor does who is filtered take the place of another one.
  if (verdict == PTNET_LOOKUP_DROP) {
    filtered_++;
    return;
  }
  auto& [sw, from, reach, table, now_s, learned, nowhere, flooded] = routing;
  const uint8_t* const header = EthernetHeader(at);
  const uint64_t dst = ForwardingTable::MacAt(header), src = ForwardingTable::MacAt(header + 6);
  if (src != learned && src != 0 && !ForwardingTable::IsMulticast(src) && !(items_[at].flags & NS_NO_LEARN)) {
    table.Learn(src, from.number(), now_s);
    learned = src;
  }
  uint32_t to = verdict;
  if (verdict == PTNET_LOOKUP_LEARNED) {
    to = ForwardingTable::IsMulticast(dst) ? ForwardingTable::kUnknown : table.Lookup(dst, now_s);
    if (to == ForwardingTable::kUnknown || sw.member(to) == nullptr) to = PTNET_LOOKUP_FLOOD;
  }
  if (to == PTNET_LOOKUP_FLOOD) {
    if (StormControl* storms = from.storm_control(); storms != nullptr && !storms->Lets(dst, NowNs())) [[unlikely]] {
      storm_++;
      return;
    }
    Append(&flood_, static_cast<uint16_t>(at));
    flooded++;
  } else if (to == from.number() || (!plain && (to >= ValeSwitch::kPortsMax || sw.member(to) == nullptr))) {
    nowhere++;  // never back to where it came from
  } else if (!plain && !routing.Reaches(to)) {
    filtered_++;
  } else {
    AddDestination(to, from.number());
    Append(&chains_[to], static_cast<uint16_t>(at));
  }
}

/// Everybody who may get the packets for everybody is a destination.
void SwitchBatch::End(Routing& routing) noexcept {
  if (routing.flooded == 0) return;
  for (uint32_t w = 0; w < ValeSwitch::kWords; w++)
    for (uint64_t bits = routing.sw.present(w) & routing.reach[w]; bits != 0; bits &= bits - 1)
      AddDestination(64 * w + static_cast<uint32_t>(std::countr_zero(bits)), routing.from.number());
  if (destinations_count_ == 0) routing.nowhere += routing.flooded;
}

uint64_t SwitchBatch::RouteLearned(ValeSwitch& sw, const SwitchMember& from) noexcept {
  Begin(sw);
  Routing routing{sw, from, kAllPorts};
  for (uint32_t at = 0; at < pieces_; at += items_[at].count) RouteOne<true>(routing, at, PTNET_LOOKUP_LEARNED);
  End(routing);
  return routing.nowhere;
}

uint64_t SwitchBatch::RouteBy(Lookup& lookup, ValeSwitch& sw, const SwitchMember& from, bool shared) noexcept {
  Begin(sw);
  const PortSet reach = lookup.ReachOf(from.number());
  Routing routing{sw, from, reach};
  uint16_t starts[PTNET_LOOKUP_BATCH_MAX];
  ptnet_lookup_packet packets[PTNET_LOOKUP_BATCH_MAX];
  uint32_t to[PTNET_LOOKUP_BATCH_MAX];
  for (uint32_t at = 0; at < pieces_;) {
    uint32_t n = 0;
    for (; at < pieces_ && n < PTNET_LOOKUP_BATCH_MAX; at += items_[at].count) starts[n++] = static_cast<uint16_t>(at);
    heads_copied_ = shared && lookup.copies_heads();
    if (heads_copied_) CopyHeads(starts, n);  // of all: no more of them are shared
    for (uint32_t i = 0; i < n; i++) {
      packets[i] = Seen(starts[i]);
      to[i] = PTNET_LOOKUP_DROP;
    }
    lookup.Find({packets, to, n, from.number()});
    for (uint32_t i = 0; i < n; i++) RouteOne<false>(routing, starts[i], to[i]);
  }
  End(routing);
  return routing.nowhere;
}

/// What a lookup function is shown of a packet.
inline ptnet_lookup_packet SwitchBatch::Seen(uint32_t at) const noexcept {
  const Frag& first = frags_[at];
  const uint32_t skipped = first.len > vnet_hdr_len_ ? vnet_hdr_len_ : 0;
  const Frag& frag = skipped > 0 || vnet_hdr_len_ == 0 ? first : frags_[at + 1];
  const uint32_t have = std::min<uint32_t>(frag.len - skipped, PTNET_LOOKUP_HEAD_MAX);
  return {frag.data + skipped, have, items_[at].len - vnet_hdr_len_};
}

/// Packets begin with copies from here on: what has been looked at is what is delivered, whatever a guest writes to its
/// memory meanwhile. Those that are longer take a piece more, so they move up, the last one first.
void SwitchBatch::CopyHeads(uint16_t* starts, uint32_t packets) noexcept {
  const uint32_t most = vnet_hdr_len_ + PTNET_LOOKUP_HEAD_MAX;
  uint32_t longer = 0;
  for (uint32_t i = 0; i < packets; i++) longer += items_[starts[i]].len > most;
  for (uint32_t i = packets; i-- > 0;) {
    const uint32_t at = starts[i];
    longer -= items_[at].len > most;
    CopyHead(at, at + longer, heads_[i].data());
    starts[i] = static_cast<uint16_t>(at + longer);
  }
}

/// Moves the packet at `at` to `to`, which is not before it, with its beginning in `head`.
inline void SwitchBatch::CopyHead(uint32_t at, uint32_t to, uint8_t* head) noexcept {
  Item item = items_[at];
  const uint32_t most = std::min(item.len, vnet_hdr_len_ + PTNET_LOOKUP_HEAD_MAX);
  uint32_t taken = 0;  // pieces that lie in the copy as a whole
  if (item.count == 1 && item.len == most) [[likely]] {
    CopyPacket(head, frags_[at].data, most);
    taken = 1;
  } else {
    for (uint32_t have = 0; have < most;) {
      Frag& frag = frags_[at + taken];
      const uint32_t n = std::min(most - have, frag.len);
      memcpy(head + have, frag.data, n);
      have += n;
      if (n == frag.len) {
        taken++;
      } else {
        frag = {frag.data + n, frag.len - n};
      }
    }
  }
  const uint32_t left = item.count - taken;
  memmove(&frags_[to + 1], &frags_[at + taken], left * sizeof(Frag));
  frags_[to] = {head, most};
  item.count = static_cast<uint16_t>(1 + left);
  items_[to] = item;
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
      const MemberPackets first = packets;
      const bool all = member->Deliver(&packets, lane, budget, used);
      if (const MemberObservers* list = member->received_by.load(std::memory_order_acquire)) [[unlikely]]
        ShowTaken(*list, first, packets);
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

/// Everything that was added, before it is routed.
void SwitchBatch::ShowTo(const MemberObservers& list) const noexcept {
  for (MemberObserver* observer : list.observers) {
    observer->Begin();
    for (uint32_t at = 0; at < pieces_; at += items_[at].count)
      observer->OnPacket({&frags_[at], items_[at].count, items_[at].len}, vnet_hdr_len_);
    observer->End();
  }
}

/// What a member has taken of its packets.
void SwitchBatch::ShowTaken(const MemberObservers& list, MemberPackets from, const MemberPackets& to) const noexcept {
  for (MemberObserver* observer : list.observers) {
    observer->Begin();
    for (MemberPackets left = from; left.Next() != to.Next();) observer->OnPacket(left.Take(), vnet_hdr_len_);
    observer->End();
  }
}

void SwitchBatch::Abandon() noexcept {
  while (destination_ < destinations_count_) is_destination_[destinations_[destination_++]] = false;
  begun_ = false;
}

}  // namespace ptnet
