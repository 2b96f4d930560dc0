// Lookup functions of a switch: those that are built in, what becomes of what a function says, and what it is shown of
// packets: a copy of their beginning, which is what is delivered.
#include "forward/lookup.h"

#include <algorithm>
#include <functional>

#include "vale_net.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

void HubsSendEverythingToEverybody() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  net.sw->SetLookup(std::make_unique<HubLookup>());
  for (uint8_t from = 0; from < 3; from++) net[from].Send(Frame(0xff, from, 60, from));
  for (auto& station : net.stations)
    while (!station->Nothing()) station->Take();
  for (uint32_t i = 0; i < 20; i++) CHECK(net[0].guest.tx().Put(Frame(1, 0, 60, i)));
  net[0].Serve();
  for (uint32_t i = 0; i < 20; i++) CHECK(net[1].Got(Frame(1, 0, 60, i)) && net[2].Got(Frame(1, 0, 60, i)));
  // Where stations are was learned all the while.
  net.sw->SetLookup(nullptr);
  net[0].Send(Frame(1, 0));
  CHECK(net[1].Got(Frame(1, 0)) && net[2].Nothing());
  for (uint8_t i = 0; i < 3; i++) CHECK(net[i].tx_drops(Drop::kFiltered) + net[i].tx_drops(Drop::kNoDestination) == 0);
}

uint64_t MacOf(uint8_t station) {
  const auto frame = Frame(station, 0);
  return ForwardingTable::MacAt(frame.data());
}

void StationsAreWhereTheTableSays() {
  Net net;
  for (int i = 0; i < 2; i++) net.Add();
  std::vector<StaticLookup::Station> table;
  for (uint8_t i = 0; i < 100; i++) table.emplace_back(MacOf(i), "vale0:" + std::to_string(i % 4));
  net.sw->SetLookup(std::make_unique<StaticLookup>(table, PTNET_LOOKUP_DROP));
  net.Add();
  // A station that says to be another one changes nothing.
  net[2].Send(Frame(0xff, 1));
  CHECK(net[0].Got(Frame(0xff, 1)) && net[1].Got(Frame(0xff, 1)));
  for (uint8_t i = 0; i < 100; i++) {
    net[0].Send(Frame(i, 0, 60, i));
    for (uint8_t at = 1; at < 3; at++) CHECK(at == i % 4 ? net[at].Got(Frame(i, 0, 60, i)) : net[at].Nothing());
  }
  // A quarter is where it comes from, and another one where nobody is yet.
  CHECK_EQ(net[0].tx_drops(Drop::kNoDestination), 50u);
  CHECK_EQ(net[0].tx_drops(Drop::kFiltered), 0u);
  net[0].Send(Frame(200, 0));
  auto nobody = Frame(0, 0);
  std::fill_n(nobody.begin(), 6, uint8_t{0});
  net[0].Send(nobody);
  CHECK_EQ(net[0].tx_drops(Drop::kFiltered), 2u);
  CHECK(net[1].Nothing() && net[2].Nothing());
  net.Add();
  net[0].Send(Frame(3, 0));
  CHECK(net[3].Got(Frame(3, 0)));
  net[3].guest.Detach();
  net[3].port->Leave();
  net[0].Send(Frame(3, 0));
  CHECK_EQ(net[0].tx_drops(Drop::kNoDestination), 51u);
  net.sw->SetLookup(std::make_unique<StaticLookup>(table, PTNET_LOOKUP_FLOOD));
  net[0].Send(Frame(200, 0));
  CHECK(net[1].Got(Frame(200, 0)) && net[2].Got(Frame(200, 0)));
}

/// Ports of all groups at random: what arrives is what a second reading of the rules says, and so nothing ever passes
/// between isolated ports.
void IsolatedPortsNeverReachEachOther(Random& random) {
  constexpr uint32_t kPorts = 8, kPromiscuous = 1;  // groups: 0 isolated, 1 promiscuous, others communities
  std::vector<uint32_t> group(kPorts);
  std::vector<std::string> promiscuous;
  std::vector<std::vector<std::string>> communities(2);
  for (uint32_t i = 0; i < kPorts; i++) {
    group[i] = random.Below(4);
    const std::string name = "vale0:" + std::to_string(i);
    if (group[i] == kPromiscuous) promiscuous.push_back(name);
    if (group[i] > kPromiscuous) communities[group[i] - 2].push_back(name);
  }
  const auto allowed = [&](uint32_t from, uint32_t to) {
    if (group[from] == kPromiscuous || group[to] == kPromiscuous) return true;
    return group[from] != 0 && group[from] == group[to];
  };
  Net net(uint64_t{0});
  const uint32_t early = random.Below(kPorts + 1);
  for (uint32_t i = 0; i < early; i++) net.Add();
  net.sw->SetLookup(std::make_unique<IsolatedLookup>(promiscuous, communities));
  for (uint32_t i = early; i < kPorts; i++) net.Add();
  std::vector<bool> known(kPorts, false);
  std::vector<uint64_t> filtered(kPorts, 0), nowhere(kPorts, 0);
  for (uint32_t round = 0; round < 300; round++) {
    std::vector<std::vector<Bytes>> expected(kPorts);
    const uint32_t from = random.Below(kPorts), burst = 1 + random.Below(30), change = random.OneIn(2) ? 1 : 20;
    uint32_t to = random.Below(kPorts);
    for (uint32_t n = 0; n < burst; n++) {
      if (random.OneIn(change)) to = random.OneIn(3) ? 0xff : random.Below(kPorts);
      const auto frame = Frame(static_cast<uint8_t>(to), static_cast<uint8_t>(from), 60, round * 64 + n);
      CHECK(net[from].guest.tx().Put(frame, random.OneIn(change == 1 ? 2 : 20) ? 2 : 1));
      known[from] = true;
      const bool unicast = to != 0xff && known[to];
      uint32_t receivers = 0;
      for (uint32_t i = 0; i < kPorts; i++) {
        if (i == from || (unicast && i != to) || !allowed(from, i)) continue;
        expected[i].push_back(frame);
        receivers++;
      }
      if (unicast && receivers == 0) (to == from ? nowhere : filtered)[from]++;
    }
    net[from].Serve();
    for (uint32_t i = 0; i < kPorts; i++) {
      for (const Bytes& frame : expected[i]) CHECK(net[i].Got(frame));
      CHECK(net[i].Nothing());
    }
  }
  for (uint32_t i = 0; i < kPorts; i++) {
    CHECK_EQ(net[i].tx_drops(Drop::kFiltered), filtered[i]);
    CHECK(net[i].tx_drops(Drop::kNoDestination) >= nowhere[i]);
  }
}

/// A number does not carry on what its last owner might do.
void WhoComesNextIsNobodysHeir() {
  Net net;
  net.sw->SetLookup(
      std::make_unique<IsolatedLookup>(std::vector<std::string>{"vale0:0"}, std::vector<std::vector<std::string>>{}));
  for (int i = 0; i < 2; i++) net.Add();
  net[0].guest.Detach();
  net[0].port->Leave();
  Station& heir = net.Add();  // vale0:2, with the number of vale0:0
  CHECK_EQ(heir.port->number(), 0u);
  net[1].Send(Frame(0xff, 1));
  heir.Send(Frame(0xff, 2));
  CHECK(heir.Nothing() && net[1].Nothing());
}

/// A function that a test writes.
class TestLookup final : public Lookup {
 public:
  using Body = std::function<void(const ptnet_lookup_batch&)>;
  explicit TestLookup(Body body, bool copies = true) : body_(std::move(body)), copies_(copies) {}
  void Find(const ptnet_lookup_batch& batch) noexcept override { body_(batch); }
  bool copies_heads() const noexcept override { return copies_; }

 private:
  Body body_;
  bool copies_;
};

void WildDestinationsAreCountedAndDropped() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  const uint32_t wild[] = {3, 253, 254, 255, 1000, 0x7fffffff, 0xfffffffc, 0 /* the sender's own */};
  uint32_t verdict = 0;
  net.sw->SetLookup(
      std::make_unique<TestLookup>([&](const ptnet_lookup_batch& b) { std::fill_n(b.to, b.count, verdict); }));
  uint64_t sent = 0;
  for (uint32_t to : wild) {
    verdict = to;
    for (uint32_t i = 0; i < 10; i++) CHECK(net[0].guest.tx().Put(Frame(1, 0)));
    net[0].Serve();
    CHECK_EQ(net[0].tx_drops(Drop::kNoDestination), sent += 10);
  }
  CHECK(net[1].Nothing() && net[2].Nothing());
  CHECK_EQ(net[0].tx_drops(Drop::kFiltered), 0u);
  // What is said to go nowhere, and what nothing is said about.
  verdict = PTNET_LOOKUP_DROP;
  net[0].Send(Frame(0xff, 5));
  net.sw->SetLookup(std::make_unique<TestLookup>([](const ptnet_lookup_batch&) {}));
  net[0].Send(Frame(0xff, 5));
  CHECK_EQ(net[0].tx_drops(Drop::kFiltered), 2u);
  CHECK(net[1].Nothing() && net[2].Nothing());
  // Nor was its address learned.
  net.sw->SetLookup(nullptr);
  net[1].Send(Frame(5, 1));
  CHECK(net[0].Got(Frame(5, 1)) && net[2].Got(Frame(5, 1)));
  // A port that is there gets what it is said to get, whatever the address is.
  net.sw->SetLookup(std::make_unique<TestLookup>([](const ptnet_lookup_batch& b) {
    for (uint32_t i = 0; i < b.count; i++) b.to[i] = i % 2 == 0 ? 2 : PTNET_LOOKUP_LEARNED;
  }));
  for (uint32_t i = 0; i < 6; i++) CHECK(net[0].guest.tx().Put(Frame(1, 0, 60, i)));
  net[0].Serve();
  for (uint32_t i = 0; i < 6; i++) CHECK(net[i % 2 == 0 ? 2 : 1].Got(Frame(1, 0, 60, i)));
}

/// Whatever lengths and slots packets have: a function sees their beginning, and its sender can change none of that any
/// more; the rest arrives as it is, in as few slots as it fits.
void WhatWasSeenIsWhatIsDelivered(Random& random, uint8_t from_hdr, uint8_t to_hdr, uint32_t buf_size) {
  Net net;
  for (uint8_t len : {from_hdr, to_hdr}) {
    Station& s = net.Add({"", 1, 1, 256, 1024, 0}, net.stations.empty() ? 2048 : buf_size, false);
    s.guest.Attach(net.engine, *s.port, {.policy = Policy::kInline, .vnet_hdr_len = len});
  }
  GuestRing& tx = net[0].guest.tx();
  std::vector<Bytes> frames;
  size_t seen = 0;
  net.sw->SetLookup(std::make_unique<TestLookup>([&](const ptnet_lookup_batch& batch) {
    CHECK(batch.count > 0 && batch.count <= PTNET_LOOKUP_BATCH_MAX);
    CHECK_EQ(batch.source, net[0].port->number());
    for (uint32_t i = 0; i < batch.count; i++) {
      const ptnet_lookup_packet& p = batch.packets[i];
      const Bytes& frame = frames[seen++];
      CHECK_EQ(p.len, frame.size());
      CHECK_EQ(p.head_len, std::min<size_t>(frame.size(), PTNET_LOOKUP_HEAD_MAX));
      CHECK(std::equal(p.head, p.head + p.head_len, frame.begin()));
      CHECK_EQ(batch.to[i], PTNET_LOOKUP_DROP);
      batch.to[i] = 1;
    }
    // The guest has other ideas now: the first 128 bytes of each of its packets.
    for (uint32_t i = tx.hwcur, at = 0; i != tx.head; i = tx.Next(i)) {
      const uint32_t head = from_hdr + PTNET_LOOKUP_HEAD_MAX, len = tx.slot(i).len;
      if (at < head) memset(tx.data(i), 0xcc, std::min(len, head - at));
      at = tx.slot(i).flags & NS_MOREFRAG ? at + len : 0;
    }
  }));
  for (int round = 0; round < 60; round++) {
    frames.clear();
    seen = 0;
    std::vector<uint32_t> slots;
    for (uint32_t left = PTNET_LOOKUP_BATCH_MAX; left > 0;) {
      const bool endless = left == 1 && random.OneIn(4);
      const uint32_t frags = endless ? 64 : std::min(left, random.OneIn(3) ? 1 + random.Below(5) : 1);
      const uint32_t shortest = (14 + (from_hdr > 0 ? 12 : 0)) * frags;
      const uint32_t len = shortest + (random.OneIn(2) ? random.Below(60) : random.Below(1500));
      const auto frame = Frame(1, 0, len, random.Below(UINT32_MAX));
      const auto packet = from_hdr > 0 ? WithHeader({}, frame, from_hdr) : frame;
      if (!tx.Put(packet, frags)) break;
      frames.push_back(frame);
      left -= std::min(left, frags);
      if (random.OneIn(40)) break;
    }
    net[0].Serve();
    CHECK_EQ(seen, frames.size());
    for (const Bytes& frame : frames) {
      const Bytes want = to_hdr > 0 ? WithHeader({}, frame, to_hdr) : frame;
      uint32_t took = 0;
      CHECK(net[1].Take(0, &took) == want);
      CHECK_EQ(took, (want.size() + buf_size - 1) / buf_size);
    }
    CHECK(net[1].Nothing());
  }
  CHECK_EQ(net[1].rx().drops[static_cast<int>(Drop::kFull)], 0u);
}

/// A function that needs no copies sees memory of guests, in batches of its own size, and slots stay what they are.
void WithoutCopiesNothingIsCut() {
  Net net;
  for (int i = 0; i < 2; i++) net.Add({"", 1, 1, 512, 512, 0});
  uint32_t seen = 0;
  net.sw->SetLookup(std::make_unique<TestLookup>(
      [&](const ptnet_lookup_batch& b) {
        for (uint32_t i = 0; i < b.count; i++) {
          CHECK_EQ(ForwardingTable::MacAt(b.packets[i].head), MacOf(1));
          b.to[i] = PTNET_LOOKUP_LEARNED;
        }
        seen += b.count;
      },
      false));
  for (uint32_t i = 0; i < 100; i++) CHECK(net[0].guest.tx().Put(Frame(1, 0, 300, i), 3));
  net[0].Serve();
  CHECK_EQ(seen, 100u);
  for (uint32_t i = 0; i < 100; i++) {
    uint32_t slots = 0;
    CHECK(net[1].Take(0, &slots) == Frame(1, 0, 300, i));
    CHECK_EQ(slots, 3u);
  }
}

/// A member that only sends.
class Sender final : public SwitchMember {
 public:
  explicit Sender(Net& net) : net_(net) { CHECK_OK(net.sw->Attach(this, "sender")); }
  ~Sender() { net_.sw->Detach(this); }
  bool Deliver(MemberPackets* packets, uint32_t, const Budget&, Used*) noexcept override {
    while (!packets->empty()) packets->Take();
    return true;
  }

 private:
  Net& net_;
};

/// What is sent from memory of the host's own is shown where it lies, in batches that are not too large.
void WhatNobodyElseWritesToIsNotCopied() {
  Net net;
  net.Add({"", 1, 1, 512, 512, 0});
  Sender sender(net);
  auto batch = std::make_unique<SwitchBatch>();
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < 150; i++) frames.push_back(Frame(0, 9, 60 + 10 * i, i));
  for (Bytes& frame : frames) batch->Add({frame.data(), static_cast<uint32_t>(frame.size())}, 0);
  std::vector<uint32_t> counts;
  uint32_t seen = 0;
  net.sw->SetLookup(std::make_unique<TestLookup>([&](const ptnet_lookup_batch& b) {
    counts.push_back(b.count);
    for (uint32_t i = 0; i < b.count; i++, seen++) {
      CHECK(b.packets[i].head == frames[seen].data());
      CHECK_EQ(b.packets[i].head_len, std::min<size_t>(frames[seen].size(), PTNET_LOOKUP_HEAD_MAX));
      b.to[i] = seen % 3 == 0 ? PTNET_LOOKUP_DROP : 0;
    }
  }));
  uint64_t nowhere = batch->Route(*net.sw, sender, net.sw->lookup(), false);
  Used used;
  CHECK(batch->Deliver(*net.sw, 0, kSyncBudget, &used, &nowhere));
  CHECK(counts == (std::vector<uint32_t>{64, 64, 22}) && nowhere == 0);
  RingCounters counters;
  batch->CountDrops(counters);
  batch->CountDrops(counters);
  CHECK_EQ(counters.drops[static_cast<int>(Drop::kFiltered)], 50u);
  for (uint32_t i = 0; i < frames.size(); i++) {
    uint32_t slots = 0;
    if (i % 3 == 0) continue;
    CHECK(net[0].Take(0, &slots) == frames[i]);
    CHECK_EQ(slots, 1u);
  }
}

}  // namespace

int main() {
  Random random("lookup_test");
  HubsSendEverythingToEverybody();
  StationsAreWhereTheTableSays();
  for (int i = 0; i < 20; i++) IsolatedPortsNeverReachEachOther(random);
  WhoComesNextIsNobodysHeir();
  WildDestinationsAreCountedAndDropped();
  for (uint8_t from : {uint8_t{0}, uint8_t{10}, uint8_t{12}})
    for (uint8_t to : {uint8_t{0}, uint8_t{10}, uint8_t{12}})
      for (uint32_t buf_size : {2048u, 128u}) WhatWasSeenIsWhatIsDelivered(random, from, to, buf_size);
  WithoutCopiesNothingIsCut();
  WhatNobodyElseWritesToIsNotCopied();
}
