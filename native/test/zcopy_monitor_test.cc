// Zero-copy monitors: they get the packets themselves, whole and in order, leave other buffers in their place, stand on
// each other, and hold nobody back.
#include <errno.h>

#include "vale_net.h"
#include "zcopy_rig.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

struct Sender {
  NullRig rig{MakeEngine(), 64, kInline};
  uint64_t seq = 0;

  void Send(uint32_t packets, uint32_t frags = 1) {
    for (uint32_t i = 0; i < packets; i++) CHECK(rig.guest.tx().Put(Probe(seq++, 60 + 100 * frags), frags));
    rig.guest.tx().Publish();
    rig.guest.Sync(rig.guest.tx());
    rig.CheckSink(seq);
  }
  std::vector<uint8_t> Packet(uint64_t at, uint32_t frags = 1) { return Probe(at, 60 + 100 * frags); }
};

void TakesWhatWasSent() {
  Sender sender;
  ZcopyRig monitor(sender.rig.engine, sender.rig.port, kSent);
  monitor.Attach();
  Kring& tx = sender.rig.port->tx(0);
  for (int lap = 0; lap < 10; lap++) {
    const uint64_t first = sender.seq;
    const uint32_t slot = sender.rig.guest.tx().head, buf_idx = tx.slots[slot].buf_idx;
    sender.Send(7);
    sender.Send(2, 4);
    CHECK(tx.slots[slot].buf_idx != buf_idx);
    CHECK(tx.slots[slot].flags & NS_BUF_CHANGED);
    for (uint64_t i = 0; i < 9; i++) {
      uint16_t flags = 0;
      if (i == 0) CHECK_EQ(monitor.guest.rx().slot(monitor.guest.rx().head).buf_idx, buf_idx);
      CHECK(monitor.Take(&flags) == sender.Packet(first + i, i < 7 ? 1 : 4));
      CHECK_EQ(flags, NS_TXMON);
    }
    CHECK(monitor.Take().empty());
    CheckBuffers({&tx, &sender.rig.port->rx(0), &monitor.port->rx(0), &monitor.port->tx(0)});
  }
  monitor.guest.Detach();
  CHECK(tx.observers.load() == nullptr);
  sender.Send(3);
}

/// What there is no room for stays with its port, and is counted.
void DropsWhenItIsSlow() {
  Sender sender;
  ZcopyRig monitor(sender.rig.engine, sender.rig.port, kSent, 8);
  monitor.Attach();
  for (int i = 0; i < 4; i++) sender.Send(10);
  CHECK_EQ(monitor.rx().packets, 7u);
  CHECK_EQ(monitor.drops(Drop::kFull), 33u);
  for (uint64_t i = 0; i < 7; i++) CHECK(monitor.Take() == sender.Packet(i));
  // Never a part of a packet.
  sender.Send(4, 2);
  CHECK_EQ(monitor.rx().packets, 10u);
  for (uint64_t i = 40; i < 43; i++) CHECK(monitor.Take() == sender.Packet(i, 2));
  CHECK(monitor.Take().empty());
}

/// Packets that are received are seen when they have been given back: with the next ones, or when somebody looks.
void TakesWhatWasReceived() {
  Net net;
  net.Add(), net.Add();
  ZcopyRig monitor(net.engine, net[1].port, kReceived);
  monitor.Attach();
  for (uint32_t i = 0; i < 200; i += 2) {
    net[0].Send(Frame(1, 0, 60 + i, i));
    CHECK(monitor.Take().empty());
    CHECK(net[1].guest.rx().Take() == Frame(1, 0, 60 + i, i));
    net[1].guest.rx().Publish();
    CHECK(monitor.Take().empty());
    i % 4 ? monitor.LookAgain() : net[0].Send(Frame(1, 0, 60, 7));
    CHECK(monitor.Take() == Frame(1, 0, 60 + i, i));
    if (i % 4) continue;
    CHECK(net[1].guest.rx().Take() == Frame(1, 0, 60, 7));
    net[1].guest.rx().Publish();
    monitor.LookAgain();
    CHECK(monitor.Take() == Frame(1, 0, 60, 7));
  }
  CheckBuffers({&net[1].port->rx(0), &net[1].port->tx(0), &monitor.port->rx(0), &monitor.port->tx(0)});
  // What the client gives back when it goes is seen too.
  net[0].Send(Frame(1, 0, 90, 1));
  CHECK(!net[1].guest.rx().Take().empty());
  net[1].guest.rx().Publish();
  net[1].guest.Detach();
  CHECK(monitor.Take() == Frame(1, 0, 90, 1));
}

/// The memory of a client that has kept others waiting is not touched on a monitor's account either.
void LeavesPausedMemoryAlone() {
  Net net;
  net.Add(), net.Add();
  ZcopyRig monitor(net.engine, net[1].port, kReceived);
  monitor.Attach();
  net[0].Send(Frame(1, 0, 60, 1));
  CHECK(!net[1].guest.rx().Take().empty());
  net[1].guest.rx().Publish();
  PeerMemory& memory = net[1].port->memory();
  memory.Charge(3'600'000'000'000);
  CHECK(memory.paused());
  monitor.LookAgain();
  CHECK(monitor.Take().empty());
  CHECK(memory.Resume(UINT64_MAX / 2));
  monitor.LookAgain();
  CHECK(monitor.Take() == Frame(1, 0, 60, 1));
}

/// What is received, by two of which the first one goes.
void TheNextOneTakesItsPlace() {
  Net net;
  net.Add(), net.Add();
  ZcopyRig first(net.engine, net[1].port), second(net.engine, net[1].port);
  first.Attach();
  second.Attach();
  for (uint32_t i = 0; i < 200; i++) {
    net[0].Send(Frame(1, 0, 60 + i, i));
    CHECK(net[1].guest.rx().Take() == Frame(1, 0, 60 + i, i));
    net[1].guest.rx().Publish();
    if (i == 100) first.guest.Detach();
    if (i < 100) {
      first.LookAgain();
      CHECK(first.Take() == Frame(1, 0, 60 + i, i));
    }
    second.LookAgain();
    CHECK(second.Take() == (i == 100 ? std::vector<uint8_t>() : Frame(1, 0, 60 + i, i)));
  }
}

/// Nobody tells of what was received and given back: its worker looks now and then, also when it came later.
void ItsWorkerLooks(Policy policy) {
  Net net;
  net.Add(), net.Add();
  ZcopyRig first(net.engine, net[1].port), second(net.engine, net[1].port);
  first.Attach(Served(policy));
  second.Attach(Served(policy));
  for (uint32_t i = 0; i < 8; i++) {
    net[0].Send(Frame(1, 0, 60 + i, i));
    CHECK(net[1].guest.rx().Take() == Frame(1, 0, 60 + i, i));
    net[1].guest.rx().Publish();
    if (i < 4) Eventually("a packet", [&] { return first.Take() == Frame(1, 0, 60 + i, i); });
    Eventually("a packet", [&] { return second.Take() == Frame(1, 0, 60 + i, i); });
    if (i == 3) first.guest.Detach();
  }
}

/// Both ends of a pipe, each both ways: four monitors of two packets.
void OfAPipe() {
  PipeRig rig(MakeEngine(), 16, kInline, kInline);
  auto &master = rig.pair->master(), &slave = rig.pair->slave();
  ZcopyRig of_a(rig.engine, Alias(rig.pair, master)), of_b(rig.engine, Alias(rig.pair, slave));
  for (bool b_first : {false, true}) {
    (b_first ? of_b : of_a).Attach();
    (b_first ? of_a : of_b).Attach();
    for (uint64_t seq = 0; seq < 100; seq++) {
      for (bool forth : {true, false}) {
        Guest &from = forth ? rig.a : rig.b, &to = forth ? rig.b : rig.a;
        const auto packet = Probe(seq, forth ? 70 : 90);
        CHECK(from.tx().Put(packet));
        from.tx().Publish();
        from.Sync(from.tx());
        CHECK(to.rx().Take() == packet);
        to.rx().Publish();
        to.Sync(to.rx());
      }
      // The one behind gets what the one before gives back.
      ZcopyRig &before = b_first ? of_b : of_a, &behind = b_first ? of_a : of_b;
      CHECK(behind.Take().empty());
      for (bool forth : {true, false}) {
        uint16_t flags = 0;
        CHECK(before.Take(&flags) == Probe(seq, forth ? 70 : 90));
        CHECK_EQ(flags, forth == b_first ? 0 : NS_TXMON);
      }
      behind.LookAgain();
      for (bool forth : {true, false}) {
        uint16_t flags = 0;
        CHECK(behind.Take(&flags) == Probe(seq, forth ? 70 : 90));
        CHECK_EQ(flags, forth == b_first ? NS_TXMON : 0);
      }
      CheckBuffers({&master.tx(0), &slave.tx(0), &of_a.port->rx(0), &of_b.port->rx(0)});
      for (uint32_t i = 0; i < 16; i++) CHECK_EQ(master.tx(0).slots[i].buf_idx, slave.rx(0).slots[i].buf_idx);
    }
    of_a.guest.Detach();
    of_b.guest.Detach();
    for (PipeEnd* end : {&master, &slave}) CHECK(end->rx(0).observers.load() == nullptr);
  }
}

/// Three on one ring; the one in the middle goes, then the first, and the others go on.
void TheyStandOnEachOther() {
  Sender sender;
  const auto& engine = sender.rig.engine;
  ZcopyRig first(engine, sender.rig.port), second(engine, sender.rig.port, kSent), third(engine, sender.rig.port);
  ZcopyRig* all[] = {&first, &second, &third};
  for (ZcopyRig* rig : all) rig->Attach();
  const auto look = [&](std::initializer_list<ZcopyRig*> in_order) {
    const uint64_t seq = sender.seq;
    sender.Send(1);
    for (ZcopyRig* rig : in_order) {
      rig->LookAgain();
      CHECK(rig->Take() == sender.Packet(seq));
      CHECK(rig->Take().empty());
    }
  };
  for (int i = 0; i < 100; i++) look({&first, &second, &third});
  second.guest.Detach();
  for (int i = 0; i < 100; i++) look({&first, &third});
  first.guest.Detach();
  for (int i = 0; i < 100; i++) look({&third});
  first.Attach();
  for (int i = 0; i < 100; i++) look({&third, &first});
  CHECK_EQ(sender.rig.port->watchers, 2u);
  CHECK_EQ(sender.rig.port->Retire().err, EBUSY);
  CheckBuffers({&sender.rig.port->tx(0), &first.port->rx(0), &second.port->rx(0), &third.port->rx(0)});
}

/// With copies for whoever wants some, also of a source that writes its buffers once.
void BesideMonitorsWithCopies() {
  NullRig rig(MakeEngine(), 16, kInline, Source(1000));
  ZcopyRig taker(rig.engine, rig.port);
  std::shared_ptr<MonitorPort> copies;
  CHECK_OK(MonitorPort::Create(MakeRegion(9), MakeStats(), {"x/rt", 1, 1, 4, 64, 0}, rig.engine, {rig.port, nullptr},
                               kBoth, &copies));
  Guest copier;
  taker.Attach();
  copier.Attach(rig.engine, *copies, kInline);
  for (uint64_t i = 0; i < 900; i++) {
    const auto packet = rig.guest.rx().Take();
    CHECK(!packet.empty());
    rig.guest.rx().Publish();
    rig.guest.Sync(rig.guest.rx());
    CHECK(taker.Take() == packet);
    if (i < 15) continue;  // it came when those were there
    CHECK(copier.rx().Take() == packet);
    copier.rx().Publish();
  }
  copier.Detach();
}

void RefusesWhatCannotBe() {
  NullRig rig(MakeEngine(), 16, kInline);
  std::shared_ptr<ZcopyMonitorPort> none;
  const auto create = [&](std::shared_ptr<Region> region, uint32_t rings, Watchable watched, Ways ways = kBoth) {
    const Status s =
        ZcopyMonitorPort::Create(region, MakeStats(), {"x/z", 1, rings, 4, 8, 0}, rig.engine, watched, ways, &none);
    CHECK_EQ(s.err, EINVAL);
    return s.message;
  };
  const std::shared_ptr<Region> region(rig.port, &rig.port->region());
  CHECK(create(MakeRegion(5), 1, {rig.port, nullptr}) == "x/z: without copies it has to lie in the region of 'null:t'");
  CHECK(create(region, 2, {rig.port, nullptr}) ==
        "x/z: without copies it has as many rx rings as 'null:t' has pairs: 1 would be right");
  CHECK(create(region, 1, {rig.port, nullptr}, {}) ==
        "x/z: a monitor of neither direction: tx, rx or both would be right");
  ZcopyRig monitor(rig.engine, rig.port);
  CHECK(create(region, 1, {monitor.port, nullptr}) == "x/z: 'x/z' is a monitor: what it watches would be right");
  CHECK_EQ(monitor.guest.TryAttach(rig.engine, *monitor.port, {.policy = Policy::kInline, .vnet_hdr_len = 12}).err,
           EINVAL);
}

/// An application reads ring headers: they begin where its indices do, whatever the client before has left unread.
void BeginsCleanInItsHeaders() {
  NullRig rig(MakeEngine(), 16, {.policy = Policy::kInline});
  ZcopyRig monitor(rig.engine, rig.port, kSent, 8);
  for (int round = 0; round < 5; round++) {
    monitor.port->RestoreRings();
    monitor.Attach();
    const NetmapRing& ring = *monitor.port->rx(0).ring;
    CHECK_EQ(ring.head, monitor.guest.rx().head);
    CHECK_EQ(ring.cur, ring.head);
    CHECK_EQ(ring.tail, ring.head);
    for (int i = 0; i < 3; i++) CHECK(rig.guest.tx().Put(Probe(i)));
    rig.guest.tx().Publish();
    rig.guest.Sync(rig.guest.tx());
    CHECK_EQ(monitor.guest.rx().Mine(), 3u);
    monitor.guest.Detach();
  }
}

/// Slots that show no buffer, on either side, lengths beyond it, and indices outside the ring.
void SpoilsNothingElse() {
  Sender sender;
  ZcopyRig monitor(sender.rig.engine, sender.rig.port, kSent, 8);
  monitor.Attach();
  GuestRing& rx = monitor.guest.rx();
  const uint32_t mine = rx.slot(0).buf_idx;
  for (uint32_t bad : {0u, 1u, 1u << 30, UINT32_MAX}) {
    rx.slot(0).buf_idx = bad;
    sender.Send(1);
  }
  CHECK_EQ(monitor.drops(Drop::kBadBuf), 4u);
  rx.slot(0).buf_idx = mine;
  rx.WriteHead(99);
  sender.Send(2);
  CHECK_EQ(monitor.drops(Drop::kDown), 2u);
  rx.WriteHead(rx.head);
  sender.Send(1);
  CHECK(monitor.Take() == sender.Packet(6));
  // As a guest changes its slots while they are read.
  SwapRing ring(monitor.port->rx(0), monitor.port->memory());
  Kring& tx = sender.rig.port->tx(0);
  const SlotWord was = ReadSlot(tx.slots[0]);
  for (const SlotWord bad :
       {SlotWord{0, 60, 0}, {UINT32_MAX, 60, 0}, {was.buf_idx, 4000, 0}, {was.buf_idx, 60, NS_MOREFRAG}}) {
    WriteSlot(tx.slots[0], bad);
    SwapSource source;
    ring.Take(source, tx, 0, 1);
  }
  CHECK_EQ(monitor.drops(Drop::kBadBuf), 6u);
  CHECK_EQ(monitor.drops(Drop::kBadLen), 1u);
  CHECK(monitor.Take().empty());
  // A packet with too many slots, all of which are this one.
  SwapSource source;
  for (uint32_t i = 0; i <= kMaxFrags; i++) {
    WriteSlot(tx.slots[0], {was.buf_idx, 60, static_cast<uint16_t>(i < kMaxFrags ? NS_MOREFRAG : 0)});
    ring.Take(source, tx, 0, 1);
  }
  CHECK_EQ(monitor.drops(Drop::kFull) + monitor.drops(Drop::kBadFrags), 1u);
  CHECK(monitor.Take().empty());
  WriteSlot(tx.slots[0], was);
  ring.Take(source, tx, 0, 1);
  CHECK(!monitor.Take().empty());
}

/// The beginning of a packet waits in a ring that has little room: a whole packet comes first, and does without it.
void NoBeginningKeepsAPacketOut() {
  Sender sender;
  ZcopyRig monitor(sender.rig.engine, sender.rig.port, kSent, 8);
  monitor.Attach();
  SwapRing ring(monitor.port->rx(0), monitor.port->memory());
  Kring& tx = sender.rig.port->tx(0);
  const auto show = [&](uint32_t slot, uint16_t len, bool more) {
    WriteSlot(tx.slots[slot], {ReadSlot(tx.slots[slot]).buf_idx, len, static_cast<uint16_t>(more ? NS_MOREFRAG : 0)});
  };
  SwapSource first, second;
  for (uint32_t i = 0; i < 6; i++) show(i, 100, true);
  ring.Take(first, tx, 0, 6);
  CHECK(monitor.Take().empty());
  for (uint32_t i = 10; i < 13; i++) show(i, 200, i < 12);
  ring.Take(second, tx, 10, 3);
  CHECK_EQ(monitor.Take().size(), 600u);
  show(6, 100, false);
  ring.Take(first, tx, 6, 1);
  CHECK(monitor.Take().empty());
  CHECK_EQ(monitor.drops(Drop::kBadFrags), 1u);
  CheckBuffers({&tx, &sender.rig.port->rx(0), &monitor.port->rx(0), &monitor.port->tx(0)});
}

/// A region is as full as before when its monitors have gone.
void GivesAllBuffersBack() {
  Sender sender;
  const Region& region = sender.rig.port->region();
  const uint32_t before = region.bufs().available();
  for (int i = 0; i < 50; i++) {
    {
      ZcopyRig monitor(sender.rig.engine, sender.rig.port, kSent, 16);
      monitor.Attach();
      sender.Send(1 + i % 20);
      monitor.guest.Detach();
      CHECK(region.bufs().available() < before);
    }
    CHECK_EQ(region.bufs().available(), before);
    CheckBuffers({&sender.rig.port->tx(0), &sender.rig.port->rx(0)});
  }
}

}  // namespace

int main() {
  TakesWhatWasSent();
  DropsWhenItIsSlow();
  TakesWhatWasReceived();
  LeavesPausedMemoryAlone();
  TheNextOneTakesItsPlace();
  for (Policy policy : kPolicies) ItsWorkerLooks(policy);
  OfAPipe();
  TheyStandOnEachOther();
  BesideMonitorsWithCopies();
  RefusesWhatCannotBe();
  BeginsCleanInItsHeaders();
  SpoilsNothingElse();
  NoBeginningKeepsAPacketOut();
  GivesAllBuffersBack();
}
