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
  ComeAndGoInTraffic(random);
  EndsWhileOthersSwap(random);
}
