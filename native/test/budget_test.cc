// No poll costs more than its budget and one packet to one destination, whatever a guest sends and to how many; where
// it stopped, the next one goes on. Everything is in units of the budget, nothing in time.
#include <thread>

#include "traffic.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint8_t kAll = 0xff;
constexpr uint32_t kLarge = 65535;
const PortShape kSmallPort{"", 1, 1, 16, 16, 0};

void CheckWithin(const Used& used, const Budget& budget, uint32_t largest) {
  CHECK(used.bytes < uint64_t{budget.bytes} + largest);
  CHECK(used.slots < uint64_t{budget.slots} + kMaxFrags);
  CHECK(used.destinations <= budget.destinations);
}

/// Stations with buffers of 64 KiB; the first floods to all others.
struct FloodNet : Net {
  explicit FloodNet(uint32_t receivers, uint32_t rings = 1) : Net(0) {
    PortShape shape = kSmallPort;
    shape.tx_rings = shape.rx_rings = rings;
    for (uint32_t i = 0; i <= receivers; i++) Add(shape, 65536);
  }
  uint64_t Received() {
    uint64_t bytes = 0;
    for (size_t i = 1; i < stations.size(); i++) bytes += stations[i]->rx().bytes;
    return bytes;
  }
};

void AFloodIsCutByBytesAndDestinations() {
  FloodNet net(64);
  GuestRing& tx = net[0].guest.tx();
  Flow& flow = *net[0].port->flow(0);
  for (uint32_t i = 0; i < 8; i++) CHECK(tx.Put(Frame(kAll, 0, kLarge, i).data(), kLarge));
  tx.Publish();
  uint32_t polls = 0;
  uint64_t before = 0;
  for (; !tx.Drained(); polls++) {
    const Used used = flow.Poll(kRoundBudget);
    CHECK(used.moved);
    CheckWithin(used, kRoundBudget, kLarge);
    CHECK_EQ(net.Received() - before, used.bytes);
    before = net.Received();
  }
  CHECK_EQ(before, uint64_t{8} * 64 * kLarge);
  CHECK(polls >= before / (kRoundBudget.bytes + kLarge));
  for (uint32_t i = 1; i <= 64; i++)
    for (uint32_t n = 0; n < 8; n++) CHECK(net[i].Got(Frame(kAll, 0, kLarge, n)));
}

/// Any traffic in any pieces: the same packets arrive in the same order.
void PiecesOfAnySizeMakeTheSameTraffic(Random& random) {
  Net net(0);
  for (int i = 0; i < 5; i++) net.Add({"", 1, 1, 128, 256, 0});
  for (uint8_t i = 0; i < 5; i++) {
    net[i].Send(Frame(kAll, i));
    for (uint8_t j = 0; j < 5; j++)
      if (j != i) CHECK(net[j].Got(Frame(kAll, i)));
  }
  RandomTraffic traffic(net, random);
  for (int batch = 0; batch < 1000; batch++) {
    const size_t from = traffic.Put();
    GuestRing& tx = net[from].guest.tx();
    tx.Show();
    uint32_t slots_most = 0;  // of the polls since the one that read the batch
    while (!tx.Drained()) {
      Budget budget{1 + random.Below(80), 1 + random.Below(5000), 1 + random.Below(3), random.OneIn(2),
                    random.OneIn(2)};
      const Used used = net[from].port->flow(0)->Poll(budget);
      CHECK(used.moved);
      budget.slots = slots_most = std::max(slots_most, budget.slots);
      CheckWithin(used, budget, 2 * 2048);
      if (used.slots > 0) slots_most = 0;
    }
    traffic.CheckArrived();
  }
}

/// A batch is as long as the poll that read it might make it; its slots count for the poll that ends it, which may have
/// fewer.
void ABatchIsEndedByASmallerBudget() {
  Net net(0);
  for (int i = 0; i < 2; i++) net.Add({"", 1, 1, 128, 256, 0});
  GuestRing& tx = net[0].guest.tx();
  for (uint32_t i = 0; i < 100; i++) CHECK(tx.Put(Frame(kAll, 0, 60, i).data(), 60));
  tx.Show();
  const Budget large{100, 1, 1, true, true}, small{1, 1 << 20, 64, true, true};
  Used used = net[0].port->flow(0)->Poll(large);
  CHECK(used.moved && !tx.Drained());
  CHECK_EQ(used.slots, 0u);
  used = net[0].port->flow(0)->Poll(small);
  CHECK(used.moved && tx.Drained());
  CHECK_EQ(used.slots, 100u);
  for (uint32_t i = 0; i < 100; i++) CHECK(net[1].Got(Frame(kAll, 0, 60, i)));
}

void ARunOfLargePacketsIsCut() {
  FloodNet net(1);
  net[1].Send(Frame(kAll, 1));
  net[0].Take();
  GuestRing& tx = net[0].guest.tx();
  for (uint32_t i = 0; i < 15; i++) CHECK(tx.Put(Frame(1, 0, kLarge, i).data(), kLarge));
  tx.Show();
  const Budget small{1024, 100'000, 64, true, true};
  for (uint32_t i = 0; i < 15;) {
    const Used used = net[0].port->flow(0)->Poll(small);
    CHECK(used.moved);
    CheckWithin(used, small, kLarge);
    for (uint32_t n = 0; n < used.bytes / kLarge; n++) CHECK(net[1].Got(Frame(1, 0, kLarge, i++)));
  }
}

void WhatAHostReadsAndWritesIsBounded() {
  PortShape shape = kSmallPort;
  shape.name = "null:a";
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(MakeRegion(1, 2048, 65536), MakeStats(), shape, &port));
  Guest guest;
  auto engine = MakeEngine();
  guest.Attach(engine, *port);
  port->sink(0).set_verify(Payload::kFull);
  for (uint64_t seq = 0; seq < 8; seq++) CHECK(guest.tx().Put(Probe(seq, kLarge).data(), kLarge));
  guest.tx().Show();
  const Budget small{1024, 100'000, 64, true, true};
  for (int polls = 0; !guest.tx().Drained(); polls++) {
    CHECK(polls < 8);
    CheckWithin(port->sink(0).Poll(small), small, kLarge);
  }
  CHECK_EQ(port->tx(0).counters->packets, 8u);
  CHECK_EQ(port->tx(0).counters->corrupt, 0u);
  port->source(0).Configure({.packets = 8, .size = kLarge, .payload = Payload::kFull});
  for (int polls = 0; port->rx(0).counters->packets < 8; polls++) {
    CHECK(polls < 8);
    CheckWithin(port->source(0).Poll(small), small, kLarge);
  }
}

void APipePassesNoMoreSlotsThanItMay(Random& random) {
  PipeRig rig(MakeEngine(), 256, {.policy = Policy::kInline}, {.policy = Policy::kInline});
  GuestRing &tx = rig.a.tx(), &rx = rig.b.rx();
  for (uint64_t sent = 0, got = 0; got < 5000;) {
    while (tx.Put(Probe(sent, 130, 0).data(), 130, random.OneIn(3) ? 2 : 1)) sent++;
    tx.Show();
    for (bool moved = true; moved;) {
      const Budget budget{1 + random.Below(100), 1, 1, true, true};
      const Used used = rig.pair->master().flow(0)->Poll(budget);
      CheckWithin(used, budget, 0);
      moved = used.moved;
    }
    for (auto packet = rx.Take(); !packet.empty(); packet = rx.Take()) CHECK(packet == Probe(got++, 130));
    rx.Show();
  }
}

/// A guest publishes on and on while it is detached: of what was published before, as much goes as a budget has.
void DetachIsNotHeldByWhoGoesOn(uint32_t receivers, uint32_t size) {
  FloodNet net(receivers);
  GuestRing& tx = net[0].guest.tx();
  for (uint32_t i = 0; i < tx.num_slots; i++) {
    memcpy(tx.data(i), Frame(kAll, 0, size).data(), size);
    tx.slot(i).len = static_cast<uint16_t>(size);
  }
  // Through the guest's own mapping: the host's goes with the attachment.
  std::atomic_ref<uint32_t> head(net[0].guest.csb_word(false, 0, 0)), cur(net[0].guest.csb_word(false, 0, 1));
  std::atomic_ref<uint32_t> hwtail(net[0].guest.csb_word(true, 0, 1));
  auto publish = [&] {
    const uint32_t tail = hwtail.load(std::memory_order_acquire);
    cur.store(tail, std::memory_order_relaxed);
    head.store(tail, std::memory_order_release);
  };
  publish();  // policy inline: nobody serves it before the detach does
  std::atomic<bool> stop{false};
  std::thread goes_on([&] {
    while (!stop) publish();
  });
  net[0].guest.attachment->Detach();
  stop = true;
  goes_on.join();
  const uint64_t all = uint64_t{tx.num_slots - 1} * receivers * size;
  CHECK(net[0].tx().packets <= tx.num_slots - 1);
  CHECK(net.Received() < uint64_t{kSyncBudget.bytes} + kLarge);
  CHECK(net.Received() >= std::min<uint64_t>(all, kSyncBudget.bytes));
}

/// An attachment, or a port, that ends in the middle of a batch leaves nothing of it behind.
void WhatEndsInAMiddleOfABatchIsForgotten() {
  Net net(0);
  for (int i = 0; i < 4; i++) net.Add();
  const Budget one{64, 1, 1, true, true};
  auto begin = [&](uint32_t tag) {
    GuestRing& tx = net[0].guest.tx();
    for (uint32_t i = 0; i < 3; i++) CHECK(tx.Put(Frame(kAll, 0, 60, tag + i).data(), 60));
    tx.Show();
    CHECK_EQ(net[0].port->flow(0)->Poll(one).bytes, 60u);
    CHECK(!tx.Drained());
  };
  begin(0);
  net[0].port->flow(0)->EndTx();
  net[0].guest.Detach();
  for (size_t i = 1; i < 4; i++)
    while (!net[i].Nothing()) net[i].Take();
  net[0].guest.Attach(net.engine, *net[0].port);
  net[0].Send(Frame(kAll, 0, 60, 9));
  for (size_t i = 1; i < 4; i++) {
    CHECK(net[i].Got(Frame(kAll, 0, 60, 9)));
    CHECK(net[i].Nothing());
  }
  begin(10);
  net[3].guest.Detach();
  net[3].port->Leave();
  net[0].Serve();
  net[0].Send(Frame(kAll, 0, 60, 20));
  for (size_t i = 1; i < 3; i++) {
    while (net[i].guest.rx().Mine() > 1) net[i].Take();
    CHECK(net[i].Got(Frame(kAll, 0, 60, 20)));
  }
}

/// Sees how many bytes others have moved between two polls of its own.
class Bystander final : public Flow {
 public:
  explicit Bystander(FloodNet& net) : net_(net) {}
  Used Poll(const Budget&) noexcept override {
    const uint64_t received = net_.Received();
    most = std::max(most, received - last_);
    last_ = received;
    polls.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  bool Arm() noexcept override { return true; }
  void Disarm() noexcept override {}

  std::atomic<uint64_t> polls{0};
  uint64_t most = 0;

 private:
  FloodNet& net_;
  uint64_t last_ = 0;
};

/// A flood of 64 KiB buffers to 64 ports holds nobody up for more than the budget of a round and a packet.
void ABystanderWaitsForABudgetAtMost() {
  FloodNet net(64);
  Bystander bystander(net);
  net.engine->Acquire(&bystander, std::make_shared<DeviceActivity>(), Policy::kPoll, 0, 0);
  net[0].guest.Detach();
  net[0].guest.Attach(net.engine, *net[0].port, {.policy = Policy::kPoll});
  GuestRing& tx = net[0].guest.tx();
  for (int lap = 0; lap < 3; lap++) {
    for (uint32_t i = 0; i < 15; i++) CHECK(tx.Put(Frame(kAll, 0, kLarge).data(), kLarge));
    tx.Publish();
    Eventually("a batch sent", [&] { return tx.Drained(); });
    for (size_t i = 1; i < net.stations.size(); i++) {
      GuestRing& rx = net[i].guest.rx();
      rx.head = rx.Advance(rx.head, rx.Mine());
      rx.Publish();
    }
  }
  net.engine->ReleaseFlow(&bystander);
  net.engine->Synchronize();
  CHECK(bystander.most > 0);
  CHECK(bystander.most < kRoundBudget.bytes + kLarge);
  CHECK(bystander.polls > 3u * 15 * 64 * kLarge / (kRoundBudget.bytes + kLarge));
}

/// Policy inline: what a Sync has left is not a kick's any more, and its descriptor tells of it until it is done.
void AnInlineSyncLeavesTheRestForLater() {
  FloodNet net(64);
  GuestRing& tx = net[0].guest.tx();
  Attachment& attachment = *net[0].guest.attachment;
  const auto more = [&] {
    pollfd entry = {attachment.watch_fd(), POLLIN, 0};
    return poll(&entry, 1, 0) == 1;
  };
  for (int round = 0; round < 3; round++) {
    for (uint32_t i = 0; i < 15; i++) CHECK(tx.Put(Frame(kAll, 0, kLarge, i).data(), kLarge));
    tx.Show();
    CHECK(!more());
    uint64_t before = net.Received();
    CHECK(attachment.Sync(0));
    for (uint32_t syncs = 1;; syncs++, attachment.ServeWatched()) {
      const uint64_t received = net.Received();
      CHECK(received - before < uint64_t{kSyncBudget.bytes} + kLarge);
      before = received;
      if (syncs == 1) CHECK(!tx.Drained());  // 63 MB of 32
      if (!more()) break;
    }
    CHECK(tx.Drained());
    for (uint32_t i = 1; i <= 64; i++) {
      for (uint32_t n = 0; n < 15; n++) CHECK(net[i].Got(Frame(kAll, 0, kLarge, n)));
      net[i].guest.Sync(net[i].guest.rx());
    }
  }
  CHECK_EQ(net.Received(), uint64_t{3} * 15 * 64 * kLarge);
  // Who leaves before it is done is not served any more.
  for (uint32_t i = 0; i < 15; i++) CHECK(tx.Put(Frame(kAll, 0, kLarge, i).data(), kLarge));
  tx.Show();
  attachment.Sync(0);
  CHECK(more());
  attachment.Detach();
  const uint64_t received = net.Received();
  attachment.ServeWatched();
  CHECK_EQ(net.Received(), received);
}

}  // namespace

int main() {
  Random random("budget");
  AFloodIsCutByBytesAndDestinations();
  PiecesOfAnySizeMakeTheSameTraffic(random);
  ABatchIsEndedByASmallerBudget();
  ARunOfLargePacketsIsCut();
  WhatAHostReadsAndWritesIsBounded();
  APipePassesNoMoreSlotsThanItMay(random);
  DetachIsNotHeldByWhoGoesOn(2, 60);
  DetachIsNotHeldByWhoGoesOn(64, kLarge);
  WhatEndsInAMiddleOfABatchIsForgotten();
  ABystanderWaitsForABudgetAtMost();
  AnInlineSyncLeavesTheRestForLater();
}
