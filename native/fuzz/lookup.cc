// Fuzzes the lookup functions of a switch: each of those that are built in, and one that says anything, also of ports
// that there are not, while guests change what it has been shown. Who gets which bytes a second reading tells.
#include <algorithm>
#include <deque>
#include <map>

#include "any_lookup.h"
#include "forward/vale.h"
#include "native/test/guest.h"

namespace {

using namespace ptnet;
using namespace ptnet::fuzz;

constexpr uint32_t kRinged = 3;    // members with rings: the first ones
constexpr uint32_t kStations = 6;  // addresses; more than there are members
constexpr uint32_t kAddresses = 12;
constexpr uint8_t kVnetHdrLens[kRinged] = {0, 0, 12};

constexpr Budget kBudgets[] = {
    kRoundBudget,
    kKickBudget,
    kSyncBudget,
    {.slots = 1, .bytes = 1, .destinations = 1, .may_wait = true, .may_defer = false},
    {.slots = 7, .bytes = 300, .destinations = 2, .may_wait = true, .may_defer = true},
    {.slots = 20, .bytes = 3000, .destinations = 1, .may_wait = false, .may_defer = false},
    {.slots = 1024, .bytes = 1 << 20, .destinations = 64, .may_wait = true, .may_defer = false, .measured = true},
    {.slots = 9, .bytes = 100, .destinations = 3, .may_wait = true, .may_defer = true, .measured = true},
};

/// What is to arrive where by the second reading, and what is to be counted.
struct Expected {
  std::deque<Bytes> frames[kMembers];
  uint64_t filtered = 0, nowhere = 0;
};

/// A member without rings: keeps what it gets.
class Keeper final : public SwitchMember {
 public:
  bool Deliver(MemberPackets* packets, uint32_t, const Budget& budget, Used* used) noexcept override {
    while (!packets->empty() && used->bytes < budget.bytes) {
      const Pieces packet = packets->Take();
      Bytes bytes;
      for (uint32_t f = 0; f < packet.count; f++)
        bytes.insert(bytes.end(), packet.frags[f].data, packet.frags[f].data + packet.frags[f].len);
      Require(bytes.size() == packet.len && packet.len >= packets->vnet_hdr_len());
      used->bytes += packet.len;
      got.emplace_back(bytes.begin() + packets->vnet_hdr_len(), bytes.end());
    }
    used->destinations++;
    return packets->empty();
  }

  std::deque<Bytes> got;
};

class Switchboard {
 public:
  Switchboard() {
    for (uint32_t i = 0; i < kRinged; i++) {
      // One of them has buffers into which what the others send has to be cut.
      const std::shared_ptr<Region> region = test::MakeRegion(static_cast<uint16_t>(i + 1), 512, i == 1 ? 128 : 256);
      Check(ValePort::Create(region, stats_, {NameOf(i), 1, 1, kTxSlots, kRxSlots, 0}, switch_, &ports_[i]));
      guests_[i].Attach(engine_, *ports_[i], {.policy = Policy::kInline, .vnet_hdr_len = kVnetHdrLens[i]});
    }
  }

  /// As it was at first, but for what lies in buffers.
  void Reset() {
    Set(0, 0);
    for (uint32_t i = kRinged; i < kMembers; i++)
      if (keepers_[i - kRinged].joined()) switch_->Detach(&keepers_[i - kRinged]);
    switch_->table().RemoveIf([](const auto&) { return true; });
    table_.clear();
    for (uint32_t i = 0; i < kRinged; i++) {
      for (Kring* k : {&ports_[i]->tx(0), &ports_[i]->rx(0)}) {
        k->hwcur = 0;
        k->hwtail = k->dir == Dir::kTx ? k->num_slots - 1 : 0;
        StoreRelaxed(k->atok->cur, 0);
        StoreRelaxed(k->atok->head, 0);
        k->Publish();
      }
      for (test::GuestRing& ring : guests_[i].rings) ring.head = 0, ring.Refresh();
    }
  }

  /// A keeper comes or goes.
  void Toggle(uint32_t which) {
    Keeper& keeper = keepers_[which];
    if (!keeper.joined()) return Check(switch_->Attach(&keeper, NameOf(kRinged + which)));
    const uint32_t number = keeper.number();
    switch_->Detach(&keeper);
    std::erase_if(table_, [number](const auto& known) { return known.second == number; });
  }

  /// Another function; `groups`: two bits for each member, of what is isolated.
  void Set(uint32_t kind, uint16_t groups) {
    kind_ = kind;
    any_ = nullptr;
    switch_->SetLookup(Make(groups));
  }

  /// What a guest sends, of one or more slots; false when its ring is full.
  bool Put(uint32_t port, uint8_t to, uint8_t what, uint8_t len, uint8_t says) {
    const uint8_t hdr = kVnetHdrLens[port];
    Sent sent{.frame = Bytes(kEthernetHeader + len * 2u),
              .dst = Address(to & 15),
              .src = Address((to >> 4) % kStations),
              .learned = (what & 1) == 0,
              .says = static_cast<uint8_t>(says & 31),
              .changed = (says & 32) != 0,
              .where = {}};
    for (uint32_t i = 0; i < sent.frame.size(); i++) sent.frame[i] = static_cast<uint8_t>(i * 31 + tag_ * 7 + (i >> 8));
    memcpy(&sent.frame[0], &sent.dst, 6);
    memcpy(&sent.frame[6], &sent.src, 6);
    memcpy(&sent.frame[kAddresses], &tag_, 2);
    const uint32_t size = hdr + static_cast<uint32_t>(sent.frame.size());
    test::GuestRing& ring = guests_[port].tx();
    // The first slot holds the Ethernet header, or the virtio-net header alone.
    const bool alone = hdr > 0 && (what & 2) != 0;
    std::vector<uint32_t> lens;
    uint32_t piece = alone ? hdr : std::max<uint32_t>(hdr + kEthernetHeader, 1 + what / 4 * 5);
    for (uint32_t left = size; left > 0; left -= lens.back()) {
      lens.push_back(std::min({left, piece, ring.buf_size}));
      piece = std::max<uint32_t>(kEthernetHeader, 1 + what / 4 * 5);
    }
    if (lens.size() > ring.Mine()) return false;
    tag_++;
    uint32_t at = 0;
    for (const uint32_t n : lens) {
      for (uint32_t i = 0; i < n; i++, at++) {
        uint8_t* const byte = ring.data(ring.head) + i;
        *byte = at < hdr ? 0 : sent.frame[at - hdr];
        if (at >= hdr) sent.where.push_back(byte);
      }
      ring.slot(ring.head).len = static_cast<uint16_t>(n);
      const bool first = at == n;
      ring.slot(ring.head).flags =
          static_cast<uint16_t>((at < size ? NS_MOREFRAG : 0) | (first && !sent.learned ? NS_NO_LEARN : 0));
      ring.head = ring.Next(ring.head);
    }
    sent_.push_back(std::move(sent));
    return true;
  }

  /// All that was put is served, and looked for where it has to be.
  void Serve(uint32_t port, const Budget& budget) {
    if (any_ != nullptr) any_->next = 0, any_->has_copies = budget.measured;
    RingCounters& counters = *ports_[port]->tx(0).counters;
    const uint64_t filtered = DropsOf(counters, Drop::kFiltered), nowhere = DropsOf(counters, Drop::kNoDestination);
    test::GuestRing& ring = guests_[port].tx();
    ring.Show();
    for (uint32_t polls = 0; !ring.Drained(); polls++) {
      Require(polls < 4096);
      ports_[port]->flow(0)->Poll(budget);
    }
    Require(any_ == nullptr || any_->next == sent_.size());
    Expected expected;
    for (const Sent& sent : sent_) Expect(sent, ports_[port]->number(), &expected);
    Require(DropsOf(counters, Drop::kFiltered) - filtered == expected.filtered);
    Require(DropsOf(counters, Drop::kNoDestination) - nowhere == expected.nowhere);
    for (uint32_t i = 0; i < kMembers; i++) {
      i < kRinged ? CheckRing(i, expected.frames[i]) : CheckKeeper(keepers_[i - kRinged], expected.frames[i]);
    }
    sent_.clear();
  }

 private:
  static constexpr uint32_t kTxSlots = 64, kRxSlots = 256;

  static void Check(const Status& status) { Require(status.ok()); }
  static uint64_t DropsOf(const RingCounters& counters, Drop cause) { return counters.drops[static_cast<int>(cause)]; }
  static std::string NameOf(uint32_t member) { return "vale0:" + std::to_string(member); }
  /// Of a station, of everybody, or of a group.
  static uint64_t Address(uint32_t which) {
    if (which == 14) return 0xffff'ffff'ffff;
    return which == 15 ? 0x0700'005e'0001 : 0x02 | uint64_t{which} << 40;
  }

  std::unique_ptr<Lookup> Make(uint16_t groups) {
    switch (kind_) {
      case 1:
        return std::make_unique<HubLookup>();
      case 2:
      case 3: {
        // A station each, and one where nobody ever is.
        std::vector<StaticLookup::Station> stations;
        for (uint32_t i = 0; i < kStations; i++) stations.emplace_back(Address(i), NameOf(i));
        return std::make_unique<StaticLookup>(stations, kind_ == 2 ? PTNET_LOOKUP_DROP : PTNET_LOOKUP_FLOOD);
      }
      case 4: {
        std::vector<std::string> promiscuous;
        std::vector<std::vector<std::string>> communities(2);
        for (uint32_t i = 0; i < kMembers; i++) {
          groups_[i] = groups >> (2 * i) & 3;
          if (groups_[i] == kPromiscuous) promiscuous.push_back(NameOf(i));
          if (groups_[i] > kPromiscuous) communities[groups_[i] - 2].push_back(NameOf(i));
        }
        return std::make_unique<IsolatedLookup>(promiscuous, communities);
      }
      case 5:
      case 6: {
        auto any = std::make_unique<AnyLookup>(sent_, kind_ == 5);
        any_ = any.get();
        return any;
      }
      default:
        return nullptr;
    }
  }

  /// The member with this number; kMembers when there is none.
  uint32_t MemberAt(uint32_t number) const {
    for (uint32_t i = 0; i < kMembers; i++)
      if (IsThere(i) && NumberOf(i) == number) return i;
    return kMembers;
  }
  bool IsThere(uint32_t i) const { return i < kRinged || keepers_[i - kRinged].joined(); }
  uint32_t NumberOf(uint32_t i) const { return i < kRinged ? ports_[i]->number() : keepers_[i - kRinged].number(); }

  /// What each function says, by its description.
  uint32_t Verdict(const Sent& sent) const {
    const bool group = (sent.dst & 1) != 0;
    switch (kind_) {
      case 1:
        return PTNET_LOOKUP_FLOOD;
      case 2:
      case 3: {
        const auto station = static_cast<uint32_t>(sent.dst >> 40);
        if (group) return PTNET_LOOKUP_FLOOD;
        if (station >= kStations) return kind_ == 2 ? PTNET_LOOKUP_DROP : PTNET_LOOKUP_FLOOD;
        return station < kMembers && IsThere(station) ? NumberOf(station) : PTNET_LOOKUP_PORTS_MAX;
      }
      case 5:
      case 6:
        return sent.verdict;
      default:
        return PTNET_LOOKUP_LEARNED;
    }
  }
  bool Reaches(uint32_t from, uint32_t to) const {
    if (kind_ != 4 || groups_[from] == kPromiscuous || groups_[to] == kPromiscuous) return true;
    return groups_[from] != 0 && groups_[from] == groups_[to];
  }

  void Expect(const Sent& sent, uint32_t source, Expected* expected) {
    uint32_t to = Verdict(sent);
    if (to == PTNET_LOOKUP_DROP) {
      expected->filtered++;
      return;
    }
    if (sent.learned) table_[sent.src] = source;
    if (to == PTNET_LOOKUP_LEARNED) {
      const auto known = table_.find(sent.dst);
      to = known == table_.end() ? PTNET_LOOKUP_FLOOD : known->second;
    }
    const uint32_t from = MemberAt(source), member = MemberAt(to);
    if (to == PTNET_LOOKUP_FLOOD) {
      bool any = false;
      for (uint32_t i = 0; i < kMembers; i++) {
        if (i == from || !IsThere(i) || !Reaches(from, i)) continue;
        expected->frames[i].push_back(sent.frame);
        any = true;
      }
      expected->nowhere += !any;
    } else if (to == source || member == kMembers) {
      expected->nowhere++;
    } else if (!Reaches(from, member)) {
      expected->filtered++;
    } else {
      expected->frames[member].push_back(sent.frame);
    }
  }

  void CheckRing(uint32_t i, const std::deque<Bytes>& frames) {
    test::GuestRing& ring = guests_[i].rx();
    const uint8_t hdr = kVnetHdrLens[i];
    for (const Bytes& frame : frames) {
      const Bytes got = ring.Take();
      Require(got.size() == hdr + frame.size() && std::equal(frame.begin(), frame.end(), got.begin() + hdr));
    }
    Require(ring.Mine() == 0);
    ring.Show();
  }
  static void CheckKeeper(Keeper& keeper, const std::deque<Bytes>& frames) {
    Require(keeper.got == frames);
    keeper.got.clear();
  }

  static constexpr uint32_t kPromiscuous = 1;

  std::shared_ptr<Engine> engine_ = test::MakeEngine(0);
  std::shared_ptr<StatsArea> stats_ = test::MakeStats();
  std::shared_ptr<ValeSwitch> switch_ =
      std::make_shared<ValeSwitch>("vale0", engine_, SwitchOptions{.patience_ns = 0, .age_s = 0});
  std::shared_ptr<ValePort> ports_[kRinged];
  test::Guest guests_[kRinged];
  Keeper keepers_[kMembers - kRinged];
  uint32_t kind_ = 0, groups_[kMembers] = {};
  AnyLookup* any_ = nullptr;            // the switch's
  std::map<uint64_t, uint32_t> table_;  // which member an address was last seen at, by its number
  std::vector<Sent> sent_;
  uint16_t tag_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Executions packets("packets");
  static auto* const board = new Switchboard;
  Input input{data, size};
  board->Reset();
  while (!input.over()) {
    const uint8_t what = input.Byte();
    const uint32_t port = (what >> 2) % kRinged;
    switch (what & 3) {
      case 0:
        board->Set((what >> 2) % 7, input.Take<uint16_t>());
        break;
      case 1:
        board->Toggle(what >> 2 & 1);
        break;
      default: {
        // Many like the first one, or each another one.
        const uint8_t shape = input.Byte();
        const bool alike = (what & 1) != 0;
        uint8_t to = input.Byte(), how = input.Byte(), len = input.Byte(), says = input.Byte();
        for (uint32_t n = 0; n <= (shape & 63u); n++) {
          if (!board->Put(port, to, how, len, says)) break;
          packets.Add();
          if (!alike) to = input.Byte(), how = input.Byte(), len = input.Byte(), says = input.Byte();
        }
        board->Serve(port, kBudgets[what >> 5]);
        break;
      }
    }
  }
  return 0;
}
