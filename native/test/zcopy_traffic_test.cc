// Zero-copy monitors that come and go in traffic: what the others see stays whole and in order, and no buffer is lost
// or in two places.
#include <map>
#include <thread>

#include "zcopy_rig.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// One that reads all the time sees packets in order and whole, while others come and go before and behind it.
void ComeAndGoInTraffic(Random& random) {
  constexpr uint64_t kPackets = 20'000;
  auto engine = MakeEngine(2);
  PipeRig rig(engine, 64, Served(Policy::kAdaptive), Served(Policy::kAdaptive, 1));
  const auto master = Alias(rig.pair, rig.pair->master()), slave = Alias(rig.pair, rig.pair->slave());
  ZcopyRig stays(engine, slave, kReceived, 256), comes(engine, master, kBoth, 16), goes(engine, slave, kBoth, 16);
  stays.Attach(Served(Policy::kAdaptive, 1));
  PipeTraffic traffic(rig, kPackets, random);
  Receiver seen;
  const auto look = [&] {
    seen.Take(stays.guest.rx());
    stays.guest.rx().Publish();
  };
  std::thread spy([&] {
    while (!traffic.over()) {
      look();
      usleep(20);
    }
  });
  uint64_t visits = 0;
  for (; !traffic.over() || visits == 0; visits++) {
    for (ZcopyRig* rig_of : {&comes, &goes}) rig_of->Attach(AnyService(random, *engine));
    if (random.OneIn(2)) usleep(random.Below(300));
    for (ZcopyRig* rig_of : {&goes, &comes}) {
      Receiver part;
      part.Take(rig_of->guest.rx());
      CHECK_EQ(part.tracker.corrupt(), 0u);
      rig_of->guest.Detach();
    }
  }
  traffic.Join();
  spy.join();
  rig.b.Detach();
  look();
  CHECK_EQ(seen.packets, stays.rx().packets);
  CHECK_EQ(seen.tracker.corrupt() + seen.tracker.late(), 0u);
  CHECK_EQ(stays.rx().packets + stays.drops(Drop::kFull) + stays.drops(Drop::kBadFrags), kPackets);
  stays.guest.Detach();
  CHECK(rig.pair->slave().rx(0).observers.load() == nullptr);
}

/// Both directions of a pipe, whose receivers give their slots back as it comes, seldom whole packets: all of them are
/// seen, in order, whatever lies between the parts of one.
void InParts(Random& random) {
  PipeRig rig(MakeEngine(), 16, kInline, kInline);
  ZcopyRig sent(rig.engine, Alias(rig.pair, rig.pair->master()), kSent, 256);
  ZcopyRig both(rig.engine, Alias(rig.pair, rig.pair->slave()), kBoth, 256);
  sent.Attach();
  both.Attach();
  constexpr uint64_t kPackets = 3000;
  // Of each way: packets that were sent, and those that `sent` has seen, and `both`.
  uint64_t put[2] = {}, taken = 0, seen[2] = {};
  const auto size = [](uint64_t seq) { return static_cast<uint32_t>(60 + seq % 300); };
  const auto length = [](uint64_t seq) { return static_cast<uint32_t>(1 + seq % 7); };
  Guest* const ends[] = {&rig.a, &rig.b};
  const auto look = [&] {
    both.LookAgain();
    for (auto packet = sent.Take(); !packet.empty(); packet = sent.Take(), taken++)
      CHECK(packet == Probe(taken, size(taken), 0));
    for (auto packet = both.Take(); !packet.empty(); packet = both.Take()) {
      const uint16_t way = guest::Get<uint16_t>(packet.data() + guest::kStreamAt);
      CHECK(packet == Probe(seen[way], size(seen[way]), way));
      seen[way]++;
    }
  };
  while (taken < kPackets || seen[0] < kPackets || seen[1] < kPackets) {
    const uint16_t way = random.Below(2);
    GuestRing &tx = ends[way]->tx(), &rx = ends[1 - way]->rx();
    if (random.OneIn(2) && put[way] < kPackets && tx.Put(Probe(put[way], size(put[way]), way), length(put[way]))) {
      put[way]++;
      tx.Publish();
      ends[way]->Sync(tx);
    } else {
      const uint32_t slots = random.Below(rx.Mine() + 1);
      rx.head = (rx.head + slots) % rx.num_slots;
      rx.Publish();
      ends[1 - way]->Sync(rx);
    }
    look();
    if (put[0] < kPackets || put[1] < kPackets || random.OneIn(3)) continue;
    for (int end = 0; end < 2; end++) ends[end]->Sync(ends[end]->tx());
  }
  CHECK_EQ(sent.drops(Drop::kBadFrags) + both.drops(Drop::kBadFrags), 0u);
}

/// Each slot of these ports shows a buffer of its own, each port holds as many as its rings have slots, and all the
/// others are free.
void CheckHolders(const Region& region, std::initializer_list<Port*> ports) {
  std::multiset<size_t> wanted, held;
  std::set<uint32_t> shown;
  size_t slots = 0;
  for (Port* port : ports) {
    size_t of_port = 0;
    for (uint32_t i = 0; i < port->rings(); i++) {
      const Kring& k = port->kring(i);
      for (uint32_t slot = 0; slot < k.num_slots; slot++) {
        const uint32_t buf_idx = k.slots[slot].buf_idx;
        CHECK(k.ValidBuf(buf_idx) && region.bufs().holder(buf_idx) != 0);
        shown.insert(buf_idx);
      }
      of_port += k.num_slots;
    }
    wanted.insert(of_port);
    slots += of_port;
  }
  CHECK_EQ(shown.size(), slots);
  CHECK_EQ(region.bufs().available() + slots + kReservedBufs, region.bufs().num());
  std::map<Holder, size_t> by_holder;
  for (uint32_t i = 0; i < region.bufs().num(); i++)
    if (const Holder holder = region.bufs().holder(i)) by_holder[holder]++;
  for (const auto& [holder, bufs] : by_holder) held.insert(bufs);
  CHECK(held == wanted);
}

/// One that ends gives back as many buffers as it was given, while its own lie in rings that go on swapping them.
void EndsWhileOthersSwap(Random& random) {
  auto engine = MakeEngine(2);
  NullRig rig(engine, 1024, Served(Policy::kPoll));
  ZcopyRig stays(engine, rig.port, kSent, 1024);
  stays.Attach(Served(Policy::kPoll, 1));
  std::atomic<bool> over{false};
  uint64_t sent = 0;
  std::thread sender([&, r = random.Split()]() mutable {
    for (; !over; sent += 2000) Send(rig.guest.tx(), sent, sent + 2000, r.Split());
    Drain(rig.guest.tx());
  });
  Receiver seen;
  std::thread spy([&] {
    while (!over) {
      seen.Take(stays.guest.rx());
      stays.guest.rx().Publish();
    }
  });
  const auto packets = [&] {
    return std::atomic_ref<uint64_t>(stays.port->rx(0).counters->packets).load(std::memory_order_relaxed);
  };
  for (int round = 0; round < 60; round++) {
    ZcopyRig ends(engine, rig.port, kSent, 1000);
    ends.Attach(Served(Policy::kPoll, 1));
    for (const uint64_t before = packets(); packets() - before < 1500;) {
      Receiver part;
      part.Take(ends.guest.rx());
      CHECK_EQ(part.tracker.corrupt(), 0u);
      ends.guest.rx().Publish();
      usleep(10);
    }
    ends.guest.Detach();
    CHECK_OK(ends.port->Retire());
  }
  over = true;
  sender.join();
  spy.join();
  stays.guest.Detach();
  rig.CheckSink(sent);
  CheckHolders(rig.port->region(), {rig.port.get(), stays.port.get()});
}

}  // namespace

int main() {
  Random random("zcopy_traffic_test");
  InParts(random);
  ComeAndGoInTraffic(random);
  EndsWhileOthersSwap(random);
}
