// A batch of packets on its way through a switch: who is to get which of them, and how far its delivery has come. It
// knows nothing of rings: whoever sends fills it with pieces of memory.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "datapath/budget.h"
#include "forward/vale_switch.h"
#include "packet/vnet_hdr.h"
#include "ring/packet.h"
#include "ring/rx_writer.h"

namespace ptnet {

class MemberPackets;

class SwitchBatch {
 public:
  static constexpr uint32_t kPiecesMax = 256;
  /// Slots of a batch in memory that a guest has too, for a lookup function: their packets are cut in two behind what
  /// it looks at, also the last one, of as many slots as there may be.
  static constexpr uint32_t kSharedMost = PTNET_LOOKUP_BATCH_MAX;
  static_assert(2 * (kSharedMost - 1) + kMaxFrags + 1 <= kPiecesMax);

  /// @param vnet_hdr_len of the virtio-net header that each packet begins with.
  void Clear(uint32_t vnet_hdr_len = 0) noexcept {
    pieces_ = 0;
    vnet_hdr_len_ = vnet_hdr_len;
  }
  uint32_t room() const noexcept { return kPiecesMax - pieces_; }
  bool empty() const noexcept { return pieces_ == 0; }
  /// Adds a packet of one piece; `flags` are a slot's. Its first piece holds the Ethernet header, unless that is in the
  /// second one, behind a virtio-net header alone.
  void Add(const Frag& frag, uint16_t flags) noexcept {
    frags_[pieces_] = frag;
    items_[pieces_++] = {frag.len, kEnd, 1, flags};
  }
  /// The same for any packet for which there is room.
  void Add(const Pieces& packet, uint16_t flags) noexcept;

  /// Learns where the packets come from and looks up where they go to: by `lookup`, or, null, as a learning switch
  /// does. `shared`: their memory is a guest's too; then there are up to kSharedMost of them. @return how many go
  /// nowhere.
  uint64_t Route(ValeSwitch& sw, const SwitchMember& from, Lookup* lookup, bool shared) noexcept {
    return lookup == nullptr ? RouteLearned(sw, from) : RouteBy(*lookup, sw, from, shared);
  }
  /// Every destination gets its own packets and those for everybody, in the order in which they were added. False when
  /// the budget leaves some for the next call. `*nowhere`: how many had a destination that has left the switch since.
  bool Deliver(ValeSwitch& sw, uint32_t lane, const Budget& budget, Used* used, uint64_t* nowhere) noexcept;
  void ShowTo(const MemberObservers& list) const noexcept;
  /// Forgets what has not been delivered.
  void Abandon() noexcept;
  uint32_t CountPackets() const noexcept;
  /// Adds to the sender's counters what was dropped on its account since the last call.
  void CountDrops(RingCounters& counters) noexcept {
    Count(counters, Drop::kBadVnet, &lies_);
    Count(counters, Drop::kStorm, &storm_);
    Count(counters, Drop::kFiltered, &filtered_);
  }

 private:
  friend class MemberPackets;

  static constexpr uint16_t kEnd = UINT16_MAX;
  /// Of a packet, at its first piece.
  struct Item {
    uint32_t len;
    uint16_t next;   // the next packet of the same chain
    uint16_t count;  // pieces
    uint16_t flags;
  };
  struct Chain {
    uint16_t first, last;
  };

  struct Routing;
  static constexpr uint32_t kHeadStride = 144;
  static_assert(kHeadStride >= VirtioNetHdr::kVnetHdrLong + PTNET_LOOKUP_HEAD_MAX);

  static void Count(RingCounters& counters, Drop cause, uint64_t* dropped) noexcept {
    if (*dropped > 0) counters.CountDrop(cause, std::exchange(*dropped, 0));
  }
  uint64_t RouteLearned(ValeSwitch& sw, const SwitchMember& from) noexcept;
  uint64_t RouteBy(Lookup& lookup, ValeSwitch& sw, const SwitchMember& from, bool shared) noexcept;
  template <bool plain>
  void RouteOne(Routing& routing, uint32_t at, uint32_t verdict) noexcept;
  void Begin(ValeSwitch& sw) noexcept;
  void End(Routing& routing) noexcept;
  void CopyHeads(uint16_t* starts, uint32_t packets) noexcept;
  void CopyHead(uint32_t at, uint32_t to, uint8_t* head) noexcept;
  ptnet_lookup_packet Seen(uint32_t at) const noexcept;
  void AddDestination(uint32_t port, uint32_t from) noexcept;
  void Append(Chain* chain, uint16_t at) noexcept;
  uint64_t CountChain(uint16_t at) const noexcept;
  void Admit(ReceiveLimit& limit, uint32_t lane) noexcept;
  void ShowTaken(const MemberObservers& list, MemberPackets from, const MemberPackets& to) const noexcept;
  void Cut() noexcept {
    if (cut_at_ != kEnd) std::swap(items_[cut_at_].next, cut_next_);
  }
  const uint8_t* EthernetHeader(uint32_t at) const noexcept {
    const Frag& first = frags_[at];
    return first.len > vnet_hdr_len_ ? first.data + vnet_hdr_len_ : frags_[at + 1].data;
  }

  uint32_t pieces_ = 0;
  uint32_t vnet_hdr_len_ = 0;
  uint64_t lies_ = 0;
  uint64_t storm_ = 0;
  uint64_t filtered_ = 0;
  std::array<Frag, kPiecesMax> frags_;
  std::array<Item, kPiecesMax> items_;
  std::array<Chain, ValeSwitch::kPortsMax> chains_;  // of packets for one member; valid for those that are destinations
  Chain flood_;                                      // packets for every other member
  std::array<uint8_t, ValeSwitch::kPortsMax> destinations_;
  uint32_t destinations_count_ = 0;
  std::array<bool, ValeSwitch::kPortsMax> is_destination_{};
  // How far the delivery has come.
  uint32_t departures_ = 0;   // of the switch when the destinations were looked up
  uint32_t destination_ = 0;  // index of the next one
  bool begun_ = false;        // some of the packets for that one are delivered
  bool reached_ = false;      // one destination has got its packets
  bool heads_copied_ = false;
  uint16_t unicast_left_ = kEnd, flood_left_ = kEnd;
  uint16_t cut_at_ = kEnd, cut_next_ = kEnd;  // of those for everybody it gets none behind this one: what follows it
  std::array<std::array<uint8_t, kHeadStride>, kSharedMost> heads_;  // beginnings of packets, copied
};

/// What one member is to get of a batch, in the order in which it was sent.
class MemberPackets {
 public:
  bool empty() const noexcept { return Next() == SwitchBatch::kEnd; }
  /// Bytes of virtio-net header that each packet begins with.
  uint32_t vnet_hdr_len() const noexcept { return batch_.vnet_hdr_len_; }
  /// Whether packets are cut in two where no slot of the sender's ends.
  bool heads_copied() const noexcept { return batch_.heads_copied_; }
  /// The packet taken last has a virtio-net header that does not fit it: its sender is told.
  void CountLie() noexcept { batch_.lies_++; }
  /// The packet that is next, which there is.
  Pieces Take() noexcept {
    uint16_t& from = unicast_ <= flood_ ? unicast_ : flood_;
    const uint16_t at = from;
    const SwitchBatch::Item& item = batch_.items_[at];
    from = item.next;
    return {&batch_.frags_[at], item.count, item.len};
  }
  /// Asks for the first line of the one that comes after.
  void Prefetch() const noexcept {
    if (!empty()) __builtin_prefetch(batch_.frags_[Next()].data);
  }

 private:
  friend class SwitchBatch;

  MemberPackets(SwitchBatch& batch, uint16_t unicast, uint16_t flood)
      : batch_(batch), unicast_(unicast), flood_(flood) {}
  /// kEnd is above every index.
  uint16_t Next() const noexcept { return unicast_ < flood_ ? unicast_ : flood_; }

  SwitchBatch& batch_;
  uint16_t unicast_, flood_;  // the next packet for it alone, and for everybody
};

}  // namespace ptnet
