// Bridges: what one port receives the other one sends, without a copy inside a region; nothing is lost, whatever shape
// the packets and the rings have.
#include "program/bridge.h"

#include <errno.h>

#include <thread>

#include "no_threads.h"
#include "offsets_rig.h"
#include "traffic.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr AttachOptions kServed{.policy = Policy::kAdaptive, .spin_ns = 20'000};

/// Two pipes with a bridge between their slave ends, and a guest at each master's.
struct BridgeRig {
  std::shared_ptr<Engine> engine = MakeEngine(2);
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<PipePair> left, right;
  Guest a, b;
  std::shared_ptr<Bridge> bridge;

  BridgeRig(std::shared_ptr<Region> first, std::shared_ptr<Region> second, uint32_t slots, uint32_t other_slots) {
    CHECK_OK(PipePair::Create(first, stats, {"l{1", 1, 1, slots, slots, 0}, "l}1", &left));
    CHECK_OK(PipePair::Create(second, stats, {"r{1", 1, 1, other_slots, other_slots, 0}, "r}1", &right));
    a.Attach(engine, left->master(), kServed);
    a.EnableInterrupts();
    b.Attach(engine, right->master(), kServed);
    b.EnableInterrupts();
    CHECK_OK(Bridge::Start(engine, Left(), Right(), kServed, &bridge));
  }
  ~BridgeRig() { bridge->Stop(); }
  std::shared_ptr<Port> Left() { return {left, &left->slave()}; }
  std::shared_ptr<Port> Right() { return {right, &right->slave()}; }
};

void BothWaysAtOnce(Random& random, bool one_region, uint32_t slots, uint32_t other_slots) {
  constexpr uint64_t kPackets = 10'000;
  const auto region = MakeRegion(1, 8192, 512);
  BridgeRig rig(region, one_region ? region : MakeRegion(2, 8192, 320), slots, other_slots);
  std::thread threads[] = {
      std::thread([&, r = random.Split()]() mutable { Send(rig.a.tx(), 0, kPackets, r); }),
      std::thread([&, r = random.Split()]() mutable { Send(rig.b.tx(), 0, kPackets, r); }),
  };
  Receiver got[2];
  std::thread receivers[] = {
      std::thread([&, r = random.Split()]() mutable { Receive(rig.b.rx(), got[0], kPackets, r); }),
      std::thread([&, r = random.Split()]() mutable { Receive(rig.a.rx(), got[1], kPackets, r); }),
  };
  for (auto& thread : threads) thread.join();
  for (auto& thread : receivers) thread.join();
  got[0].CheckClean();
  got[1].CheckClean();
  Eventually("what was counted", [&] {
    const BridgeStatistics s = rig.bridge->statistics();
    return s.forth.packets == kPackets && s.back.packets == kPackets;
  });
  const BridgeStatistics s = rig.bridge->statistics();
  CHECK_EQ(s.copies, !one_region);
  CHECK_EQ(s.forth.dropped + s.back.dropped, 0u);
}

/// Inside a region it is the buffer that goes.
void BuffersGo() {
  const auto region = MakeRegion();
  BridgeRig rig(region, region, 16, 16);
  const uint32_t buf_idx = rig.a.tx().slot(0).buf_idx;
  CHECK(rig.a.tx().Put(Probe(0)));
  rig.a.tx().Publish();
  rig.b.rx().Await();
  CHECK_EQ(rig.b.rx().slot(rig.b.rx().head).buf_idx, buf_idx);
  CHECK(rig.b.rx().Take() == Probe(0));
}

/// Of a pipe whose other end has offsets, and into one: by buffers and by copies.
void OffsetsStayOnTheirSide(bool one_region) {
  const auto region = MakeRegion();
  BridgeRig rig(region, one_region ? region : MakeRegion(2), 16, 16);
  Offsets(*rig.engine, rig.left->master(), {.max = 700});
  for (const bool both : {false, true}) {
    if (both) Offsets(*rig.engine, rig.right->master(), {.max = 300, .bits = 12, .initial = 300});
    for (uint32_t n = 0; n < 40; n++) {
      PutAt(rig.a.tx(), Probe(n, 1000), 17 * n);
      rig.a.tx().Publish();
      rig.b.rx().Await();
      CHECK(TakeAt(rig.b.rx()) == Probe(n, 1000));
      rig.b.rx().LastPut().ptr = 100;
      rig.b.rx().Publish();
      PutAt(rig.b.tx(), Probe(n, 900), both ? n : 0);
      rig.b.tx().Publish();
      rig.a.rx().Await();
      CHECK(TakeAt(rig.a.rx()) == Probe(n, 900));
      rig.a.rx().LastPut().ptr = 33;
      rig.a.rx().Publish();
    }
  }
}

/// Into smaller buffers it is cut; what never fits is dropped, and what comes behind it goes on.
void CutsAndDrops() {
  BridgeRig rig(MakeRegion(1, 8192, 2048), MakeRegion(2, 8192, 64), 128, 16);
  const uint32_t lengths[] = {60, 1500, 700, 64, 961, 960};
  for (uint64_t seq = 0; seq < 6; seq++) {
    CHECK(rig.a.tx().Put(Probe(seq, lengths[seq]), seq == 2 ? 3 : 1));
    rig.a.tx().Publish();
  }
  for (uint64_t seq = 0; seq < 6; seq++) {
    if (lengths[seq] > 15 * 64) continue;
    rig.b.rx().Await();
    CHECK(rig.b.rx().Take() == Probe(seq, lengths[seq]));
    rig.b.rx().Publish();
  }
  Eventually("two dropped", [&] { return rig.bridge->statistics().forth.dropped == 2; });
}

/// A slot may be empty, at any place in a packet: the copy takes what is in the others.
void EmptySlotsAreNothing() {
  BridgeRig rig(MakeRegion(1, 8192, 128), MakeRegion(2, 8192, 96), 16, 16);
  GuestRing& tx = rig.a.tx();
  for (uint64_t seq = 0; seq < 4; seq++) {
    const std::vector<uint8_t> packet = Probe(seq, 120);
    const uint32_t lengths[][4] = {{0, 40, 40, 40}, {60, 0, 0, 60}, {100, 20, 0, 0}, {0, 0, 0, 120}};
    uint32_t i = tx.head, at = 0;
    CHECK(tx.Put(packet, 4));
    for (const uint32_t len : lengths[seq]) {
      memcpy(tx.data(i), packet.data() + at, len);
      tx.slot(i).len = static_cast<uint16_t>(len);
      i = tx.Next(i), at += len;
    }
    tx.Publish();
    rig.b.rx().Await();
    CHECK(rig.b.rx().Take() == packet);
    rig.b.rx().Publish();
  }
}

/// Who shares the region writes nonsense into the bridge's slots while it works.
void SurvivesItsNeighbours(Random& random) {
  const auto region = MakeRegion(1, 4096, 256);
  BridgeRig rig(region, region, 16, 16);
  std::atomic<bool> over{false};
  std::thread scribbler([&, r = random.Split()]() mutable {
    NetmapSlot* const slots[] = {rig.Left()->rx(0).slots, rig.Right()->tx(0).slots};
    while (!over)
      WriteSlot(slots[r.Below(2)][r.Below(16)],
                {r.OneIn(2) ? r.Below(5000) : r.Below(UINT32_MAX), static_cast<uint16_t>(r.Below(65536)),
                 static_cast<uint16_t>(r.OneIn(2) ? uint32_t{NS_MOREFRAG} : r.Below(65536))});
  });
  for (int round = 0; round < 20'000; round++) {
    if (rig.a.tx().Put(Probe(static_cast<uint64_t>(round)))) rig.a.tx().Publish();
    while (rig.b.rx().Mine() > 0) rig.b.rx().head = rig.b.rx().Next(rig.b.rx().head);
    rig.b.rx().Publish();
  }
  over = true;
  scribbler.join();
  rig.bridge->Stop();
}

void RefusesWhatIsInUse() {
  const auto region = MakeRegion();
  BridgeRig rig(region, region, 16, 16);
  std::shared_ptr<Bridge> other;
  Status s = Bridge::Start(rig.engine, rig.Left(), rig.Left(), kServed, &other);
  CHECK_EQ(s.err, EINVAL);
  s = Bridge::Start(rig.engine, rig.Right(), rig.Left(), kServed, &other);
  CHECK_EQ(s.err, EBUSY);
  // Its ports are free when it has ended; positions stay.
  CHECK(rig.a.tx().Put(Probe(0)));
  rig.a.tx().Publish();
  rig.b.rx().Await();
  rig.bridge->Stop();
  CHECK(!rig.left->slave().attached && !rig.right->slave().attached);
  CHECK_OK(Bridge::Start(rig.engine, rig.Left(), rig.Right(), kServed, &rig.bridge));
  CHECK(rig.b.rx().Take() == Probe(0));
  rig.b.rx().Publish();
  CHECK(rig.a.tx().Put(Probe(1)));
  rig.a.tx().Publish();
  rig.b.rx().Await();
  CHECK(rig.b.rx().Take() == Probe(1));
}

/// Both ports are free then, and the host lives.
void NeedsAThread() {
  const auto region = MakeRegion();
  BridgeRig rig(region, region, 16, 16);
  rig.bridge->Stop();
  {
    NoThreads none;
    std::shared_ptr<Bridge> other;
    const Status s = Bridge::Start(rig.engine, rig.Left(), rig.Right(), kServed, &other);
    CHECK(s.err == EAGAIN && s.message.ends_with(": no thread to bridge with"));
  }
  CHECK(!rig.left->slave().attached && !rig.right->slave().attached);
  CHECK_OK(Bridge::Start(rig.engine, rig.Left(), rig.Right(), kServed, &rig.bridge));
}

}  // namespace

int main() {
  Random random("bridge_test");
  BuffersGo();
  OffsetsStayOnTheirSide(true);
  OffsetsStayOnTheirSide(false);
  BothWaysAtOnce(random, true, 16, 16);
  BothWaysAtOnce(random, true, 64, 8);
  BothWaysAtOnce(random, false, 32, 32);
  CutsAndDrops();
  EmptySlotsAreNothing();
  SurvivesItsNeighbours(random);
  RefusesWhatIsInUse();
  NeedsAThread();
}
