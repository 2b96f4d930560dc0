// Monitors: their clients see every packet that passes, as it was; they come and go in traffic, and never hold it back.
#include <errno.h>

#include <thread>

#include "monitor_rig.h"
#include "vale_net.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

std::shared_ptr<Port> Alias(std::shared_ptr<PipePair> pair, Port& end) { return {pair, &end}; }

void ShowsBothWays() {
  NullRig rig(MakeEngine(), 16, {.policy = Policy::kInline}, Source(20));
  MonitorRig both(rig.engine, rig.port, kBoth), sent(rig.engine, rig.port, kSent);
  both.Attach();
  sent.Attach();
  CHECK(rig.guest.tx().Put(Probe(0)));
  CHECK(rig.guest.tx().Put(Probe(1, 500), 4));
  rig.guest.tx().Publish();
  rig.guest.Sync(rig.guest.tx());
  for (MonitorRig* monitor : {&both, &sent}) {
    uint16_t flags = 0;
    CHECK(monitor->Take(&flags) == Probe(0));
    CHECK_EQ(flags, NS_TXMON);
    CHECK(monitor->Take(&flags) == Probe(1, 500));
    CHECK_EQ(flags & 0xff, NS_TXMON);
    CHECK_EQ(flags >> 8, 4);
    CHECK(monitor->Take().empty());
  }
  // The first 15 were there before it came.
  for (int i = 0; i < 15; i++) CHECK(!rig.guest.rx().Take().empty());
  rig.guest.rx().Publish();
  rig.guest.Sync(rig.guest.rx());
  for (int i = 0; i < 5; i++) {
    uint16_t flags = NS_TXMON;
    CHECK(both.Take(&flags) == rig.guest.rx().Take());
    CHECK_EQ(flags, 0);
  }
  CHECK(both.Take().empty() && sent.Take().empty());
  // What a client has left there its successor does not see.
  CHECK(rig.guest.tx().Put(Probe(2)));
  rig.guest.tx().Publish();
  rig.guest.Sync(rig.guest.tx());
  both.guest.Detach();
  both.Attach();
  CHECK(both.Take().empty());
  CHECK_EQ(both.rx().packets, 8u);
}

/// Rings of the same number come by one ring; more of them than there are by the others again.
void RingsComeByTheirNumber() {
  auto engine = MakeEngine();
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(MakeRegion(), MakeStats(), {"null:t", 3, 1, 16, 16, 0}, &port));
  Guest guest;
  guest.Attach(engine, *port);
  MonitorRig monitor(engine, port, kSent, Shape(16, 2));
  monitor.Attach();
  for (uint32_t ring : {2u, 1u, 0u}) {
    CHECK(guest.tx(ring).Put(Probe(ring)));
    guest.tx(ring).Publish();
    guest.Sync(guest.tx(ring));
  }
  CHECK(monitor.Take(nullptr, 0) == Probe(2) && monitor.Take(nullptr, 0) == Probe(0));
  CHECK(monitor.Take(nullptr, 1) == Probe(1) && monitor.Take(nullptr, 1).empty());
}

/// A monitor that does not look loses what there is no room for, and the port nothing.
void DropsWhenItIsSlow() {
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline});
  MonitorRig monitor(rig.engine, rig.port, kSent, Shape(8));
  monitor.Attach();
  for (uint64_t seq = 0; seq < 40;) {
    for (int i = 0; i < 20; i++, seq++) CHECK(rig.guest.tx().Put(Probe(seq), 1 + seq % 2));
    rig.guest.tx().Publish();
    rig.guest.Sync(rig.guest.tx());
  }
  rig.CheckSink(40);
  CHECK_EQ(monitor.rx().packets + monitor.drops(Drop::kFull), 40u);
  for (uint64_t seq = 0; seq < monitor.rx().packets; seq++) CHECK(monitor.Take() == Probe(seq));
  CHECK(monitor.Take().empty());
  // There is room again.
  CHECK(rig.guest.tx().Put(Probe(40)));
  rig.guest.tx().Publish();
  rig.guest.Sync(rig.guest.tx());
  CHECK(monitor.Take() == Probe(40));
}

/// Into buffers of 128 bytes; what never fits its ring is dropped.
void CutsToItsBuffers() {
  auto engine = MakeEngine();
  NullRig rig(engine, 64, {.policy = Policy::kInline});
  MonitorRig monitor(engine, rig.port, kSent, Shape(8), 128);
  monitor.Attach();
  for (uint32_t len : {128u, 129u, 800u, 900u, 61u}) {
    CHECK(rig.guest.tx().Put(Probe(len, len), len == 800 ? 3 : 1));
    rig.guest.tx().Publish();
    rig.guest.Sync(rig.guest.tx());
    const auto packet = monitor.Take();
    CHECK(len == 900 ? packet.empty() : packet == Probe(len, len));
  }
  CHECK_EQ(monitor.drops(Drop::kBadFrags), 1u);
}

/// A header before each packet, in its slot, in one of its own, or across two.
void ShowsFramesWithoutHeader() {
  NullRig rig(MakeEngine(), 64, {.policy = Policy::kInline, .vnet_hdr_len = 12});
  MonitorRig monitor(rig.engine, rig.port, kSent);
  monitor.Attach();
  GuestRing& tx = rig.guest.tx();
  const auto send = [&](uint32_t first, uint32_t second) {
    const auto packet = WithHeader(VirtioNetHdr{}, Probe(7, 88));
    CHECK(tx.Put(packet, 3));
    uint32_t at = 0, i = tx.Prev(tx.Prev(tx.Prev(tx.head)));
    for (uint32_t len : {first, second, 100 - first - second}) {
      memcpy(tx.data(i), packet.data() + at, len);
      tx.slot(i).len = static_cast<uint16_t>(len);
      at += len;
      i = tx.Next(i);
    }
    tx.Publish();
    rig.guest.Sync(tx);
    CHECK(monitor.Take() == Probe(7, 88));
  };
  send(30, 30), send(12, 40), send(5, 3), send(5, 7), send(11, 40);
  const auto one = WithHeader(VirtioNetHdr{}, Probe(8));
  CHECK(tx.Put(one));
  CHECK(tx.Put(one.data(), 12));
  CHECK(tx.Put(one.data(), 3));
  tx.Publish();
  rig.guest.Sync(tx);
  CHECK(monitor.Take() == Probe(8));
  CHECK(monitor.Take().empty());
}

void RefusesWhatItIsNot() {
  auto engine = MakeEngine();
  NullRig rig(engine, 16, {.policy = Policy::kInline});
  MonitorRig monitor(engine, rig.port, kBoth);
  std::shared_ptr<MonitorPort> none;
  const PortShape shape = Shape(8);
  Status s = MonitorPort::Create(MakeRegion(), MakeStats(), shape, engine, {monitor.port, nullptr}, kBoth, &none);
  CHECK_EQ(s.err, EINVAL);
  CHECK(s.message == "x/rt: 'x/rt' is a monitor: what it watches would be right");
  s = MonitorPort::Create(MakeRegion(), MakeStats(), shape, engine, {rig.port, nullptr}, {}, &none);
  CHECK(s.message == "x/rt: a monitor of neither direction: tx, rx or both would be right");
  s = monitor.guest.TryAttach(engine, *monitor.port, {.policy = Policy::kInline, .vnet_hdr_len = 12});
  CHECK_EQ(s.err, EINVAL);
  // Nobody watches: nobody is there.
  CHECK(rig.port->tx(0).observers.load() == nullptr);
  monitor.Attach();
  CHECK(rig.port->tx(0).observers.load() != nullptr && rig.port->rx(0).observers.load() != nullptr);
  // What it sends goes nowhere.
  for (int i = 0; i < 10; i++) {
    CHECK(monitor.guest.tx().Put(Probe(0)));
    monitor.guest.tx().Publish();
    monitor.guest.Sync(monitor.guest.tx());
  }
  CHECK_EQ(monitor.port->tx(0).counters->drops[static_cast<int>(Drop::kNoDestination)], 10u);
  monitor.guest.Detach();
  CHECK(rig.port->tx(0).observers.load() == nullptr && rig.port->rx(0).observers.load() == nullptr);
}

/// Slots without a buffer, indices outside the ring: its own loss, and it may mend them.
void SpoilsOnlyItself() {
  NullRig rig(MakeEngine(), 16, {.policy = Policy::kInline});
  MonitorRig monitor(rig.engine, rig.port, kSent, Shape(8));
  monitor.Attach();
  uint64_t seq = 0;
  const auto send = [&](uint32_t packets) {
    for (uint32_t i = 0; i < packets; i++) CHECK(rig.guest.tx().Put(Probe(seq++)));
    rig.guest.tx().Publish();
    rig.guest.Sync(rig.guest.tx());
    rig.CheckSink(seq);
  };
  GuestRing& rx = monitor.guest.rx();
  const uint32_t buf_idx = rx.slot(2).buf_idx;
  for (uint32_t bad : {0u, 1u, 4096u, UINT32_MAX}) {
    rx.slot(2).buf_idx = bad;
    send(1);
  }
  CHECK_EQ(monitor.drops(Drop::kBadBuf), 2u);
  rx.slot(2).buf_idx = buf_idx;
  CHECK(monitor.Take() == Probe(0) && monitor.Take() == Probe(1));
  rx.WriteHead(77);
  send(3);
  CHECK_EQ(monitor.rx().bad_index, 1u);
  CHECK_EQ(monitor.drops(Drop::kDown), 3u);
  rx.WriteHead(rx.head);
  send(2);
  CHECK(monitor.Take() == Probe(seq - 2) && monitor.Take() == Probe(seq - 1));
}

/// What a guest has written to its slots since they were taken is looked at again.
void LooksAtSpoiltSlots() {
  NullRig rig(MakeEngine(), 16, {.policy = Policy::kInline});
  MonitorRig monitor(rig.engine, rig.port, kSent, Shape(16));
  GuestRing& tx = rig.guest.tx();
  for (uint64_t seq = 0; seq < 8; seq++) CHECK(tx.Put(Probe(seq)));
  MonitorRing copies(monitor.port->rx(0), monitor.port->memory());
  monitor.Attach();
  tx.slot(1).buf_idx = 1 << 30;
  tx.slot(2).len = 4000;
  tx.slot(3).flags = NS_INDIRECT;
  tx.slot(4).flags = NS_MOREFRAG;
  tx.slot(7).flags = NS_MOREFRAG;
  copies.OnSlots(rig.port->tx(0), 0, 8);
  CHECK(monitor.Take() == Probe(0));
  auto two = Probe(4);
  const auto five = Probe(5);
  two.insert(two.end(), five.begin(), five.end());
  CHECK(monitor.Take() == two);
  CHECK(monitor.Take() == Probe(6));
  CHECK(monitor.Take().empty());
  CHECK_EQ(monitor.drops(Drop::kBadFrags), 1u);
}

/// Of a switch's ports: what one sends, and what all senders bring to another.
void OnASwitch() {
  Net net;
  net.Add(), net.Add(), net.Add();
  MonitorRig sent(net.engine, net[0].port, kSent), received(net.engine, net[1].port, kReceived);
  sent.Attach();
  received.Attach();
  net[0].Send(Frame(0xff, 0, 100, 1));
  net[1].Send(Frame(0, 1, 70, 2));
  for (uint32_t i = 0; i < 40; i++) net[0].Send(Frame(1, 0, 60 + i, 3 + i), 1 + i % 2);
  net[2].Send(Frame(1, 2, 80, 50));
  CHECK(sent.Take() == Frame(0xff, 0, 100, 1) && received.Take() == Frame(0xff, 0, 100, 1));
  for (uint32_t i = 0; i < 40; i++) {
    const auto frame = Frame(1, 0, 60 + i, 3 + i);
    CHECK(sent.Take() == frame);
    CHECK(received.Take() == frame);
  }
  CHECK(received.Take() == Frame(1, 2, 80, 50));
  CHECK(sent.Take().empty() && received.Take().empty());
  while (net[1].guest.rx().Mine() > 0) (void)net[1].Take();
}

/// Reads until it is stopped and has seen everything. What it misses it has counted.
struct Spy {
  MonitorRig& rig;
  Receiver seen;
  std::atomic<bool> stop{false};
  std::thread thread;

  explicit Spy(MonitorRig& r) : rig(r), thread([this] { Run(); }) {}
  void Run() {
    while (!stop) {
      rig.guest.rx().Await(1, &stop);
      Look();
    }
  }
  void Look() {
    seen.Take(rig.guest.rx());
    rig.guest.rx().Publish();
  }
  void End() {
    stop = true;
    const uint64_t one = 1;
    for (int fd : rig.guest.irqs()) CHECK(write(fd, &one, sizeof one) == sizeof one);
    thread.join();
    Look();
    CHECK_EQ(seen.tracker.corrupt(), 0u);
    CHECK_EQ(seen.tracker.late(), 0u);
  }
};

/// One that stays and reads has seen or counted everything; others come and go, and some never read.
void ComesAndGoesInTraffic(Random& random) {
  constexpr uint64_t kPackets = 20'000;
  auto engine = MakeEngine(2);
  PipeRig rig(engine, 16, Served(Policy::kAdaptive), Served(Policy::kAdaptive, 1));
  MonitorRig sent(engine, Alias(rig.pair, rig.pair->master()), kSent, Shape(256));
  MonitorRig received(engine, Alias(rig.pair, rig.pair->slave()), kReceived, Shape(256));
  MonitorRig guest(engine, Alias(rig.pair, rig.pair->master()), kBoth, Shape(16));
  sent.Attach(Served(Policy::kAdaptive, 1));
  received.Attach(Served(Policy::kNotify));
  Spy spies[] = {Spy(sent), Spy(received)};
  PipeTraffic traffic(rig, kPackets, random);
  uint64_t visits = 0;
  for (; !traffic.over() || visits == 0; visits++) {
    guest.Attach(AnyService(random, *engine));
    if (random.OneIn(2)) usleep(random.Below(300));
    Receiver seen;
    seen.Take(guest.guest.rx());
    CHECK_EQ(seen.tracker.corrupt() + seen.tracker.late(), 0u);
    guest.guest.Detach();
  }
  traffic.Join();
  for (Spy& spy : spies) spy.End();
  CHECK_EQ(sent.rx().packets + sent.drops(Drop::kFull), kPackets);
  CHECK_EQ(received.rx().packets + received.drops(Drop::kFull), kPackets);
  CHECK_EQ(spies[0].seen.packets, sent.rx().packets);
  CHECK_EQ(spies[1].seen.packets, received.rx().packets);
  CHECK(rig.pair->master().rx(0).observers.load() == nullptr);
}

/// Two senders on two workers into one port, which is watched while it is detached and attached again.
void OnASwitchInTraffic(Random& random) {
  constexpr uint64_t kPackets = 10'000;
  auto engine = MakeEngine(2);
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  ValeRig a(engine, sw, 64, Served(Policy::kAdaptive)), b(engine, sw, 64, Served(Policy::kAdaptive, 1)),
      to(engine, sw, 64, Served(Policy::kNotify));
  MonitorRig monitor(engine, to.port, kReceived, Shape(512));
  monitor.Attach(Served(Policy::kNotify, 1));
  std::atomic<int> sending{2};
  const auto send = [&](ValeRig& rig, Stream stream, Random r) {
    Send(rig.guest.tx(), 0, kPackets, r, stream);
    Drain(rig.guest.tx());
    sending--;
  };
  std::thread senders[] = {std::thread(send, std::ref(a), Stream{0, 0xff, 1}, random.Split()),
                           std::thread(send, std::ref(b), Stream{1, 0xff, 2}, random.Split())};
  Receiver seen;
  const auto look = [&] {
    seen.Take(monitor.guest.rx());
    monitor.guest.rx().Publish();
  };
  while (sending > 0) {
    look();
    while (to.guest.rx().Mine() > 0) (void)to.guest.rx().Take();
    to.guest.rx().Publish();
    if (!random.OneIn(50)) continue;
    to.guest.Detach();
    to.guest.Attach(engine, *to.port, AnyService(random, *engine));
    to.guest.EnableInterrupts();
  }
  for (std::thread& thread : senders) thread.join();
  engine->Synchronize();
  look();
  CHECK_EQ(seen.packets, monitor.rx().packets);
  CHECK_EQ(seen.packets + monitor.drops(Drop::kFull), to.rx().packets);
  CHECK_EQ(seen.tracker.corrupt() + seen.tracker.late(), 0u);
}

}  // namespace

int main() {
  Random random("monitor_test");
  ShowsBothWays();
  RingsComeByTheirNumber();
  DropsWhenItIsSlow();
  CutsToItsBuffers();
  ShowsFramesWithoutHeader();
  RefusesWhatItIsNot();
  SpoilsOnlyItself();
  LooksAtSpoiltSlots();
  OnASwitch();
  ComesAndGoesInTraffic(random);
  OnASwitchInTraffic(random);
}
