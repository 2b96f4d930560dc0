// Offsets: packets of pipes, null and echo ports are found where their slots say; what a client says is cut to what it
// has asked for, never reaches beyond its buffer, and lasts as long as its port is used.
#include <errno.h>

#include <thread>

#include "eventually.h"
#include "forward/echo.h"
#include "forward/null_port.h"
#include "offsets_rig.h"
#include "pipe_fixture.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

void APipeCarriesThem() {
  PipeFixture f;
  CHECK_EQ(MaskOf(f.b.rx()), 0u);
  Offsets(*f.engine, f.pair->master(), {.max = 500, .bits = 16});
  for (GuestRing *ring : {&f.a.tx(), &f.a.rx(), &f.b.tx(), &f.b.rx()}) CHECK_EQ(MaskOf(*ring), 0xffffu);
  uint64_t seq = 0;
  for (const uint32_t offset : {0u, 1u, 64u, 499u, 500u}) {
    // What else is in ptr is nobody's business.
    f.a.tx().slot(f.a.tx().head).ptr = uint64_t{7} << 32;
    PutAt(f.a.tx(), Probe(seq, 60), offset);
    f.Send();
    std::vector<uint64_t> offsets;
    CHECK(TakeAt(f.b.rx(), &offsets) == Probe(seq++, 60));
    CHECK_EQ(offsets[0], offset);
    f.Release();
    CHECK_EQ(f.a.tx().LastPut().ptr, uint64_t{7} << 32 | offset);
  }
  // The other way, in several slots, each with its own.
  for (int lap = 0; lap < 40; lap++) {
    for (uint32_t n = 0; n < 3; n++) {
      PutAt(f.b.tx(), std::vector<uint8_t>(100, static_cast<uint8_t>(lap + n)), 30 * n + static_cast<uint32_t>(lap));
      if (n < 2) f.b.tx().LastPut().flags = NS_MOREFRAG;
    }
    f.b.tx().Publish();
    f.b.Sync(f.b.tx());
    std::vector<uint64_t> offsets;
    const auto packet = TakeAt(f.a.rx(), &offsets);
    CHECK_EQ(packet.size(), 300u);
    for (uint32_t n = 0; n < 3; n++) {
      CHECK_EQ(offsets[n], 30 * n + static_cast<uint32_t>(lap));
      CHECK_EQ(packet[100 * n + 99], static_cast<uint8_t>(lap + static_cast<int>(n)));
    }
    f.a.rx().Publish();
    f.a.Sync(f.a.rx());
  }
}

/// Who swaps buffers between pipes takes the offset along by himself, as he does with the length.
void ABufferGoesOnWithItsOffset() {
  PipeFixture f, g;
  const auto region = f.region;
  CHECK_OK(PipePair::Create(region, f.stats, {"q{1", 1, 1, 64, 64, 0}, "q}1", &g.pair));
  g.a.Detach();
  g.b.Detach();
  g.a.Attach(f.engine, g.pair->master());
  g.b.Attach(f.engine, g.pair->slave());
  Offsets(*f.engine, f.pair->master(), {.max = 400});
  Offsets(*f.engine, g.pair->slave(), {.max = 400});
  std::vector<uint32_t> bufs;
  for (uint32_t n = 0; n < 200; n++) {
    PutAt(f.a.tx(), Probe(n, 500), 2 * n);
    const uint32_t sent = f.a.tx().LastPut().buf_idx;
    f.Send();
    GuestRing &rx = f.b.rx(), &tx = g.a.tx();
    std::swap(rx.slot(rx.head).buf_idx, tx.slot(tx.head).buf_idx);
    tx.slot(tx.head).len = rx.slot(rx.head).len;
    tx.slot(tx.head).ptr = rx.slot(rx.head).ptr;
    rx.slot(rx.head).flags = tx.slot(tx.head).flags = NS_BUF_CHANGED;
    const uint32_t spare = rx.slot(rx.head).buf_idx;
    rx.head = rx.Next(rx.head), tx.head = tx.Next(tx.head);
    f.Release();
    tx.Publish();
    g.a.Sync(tx);
    CHECK_EQ(g.b.rx().slot(g.b.rx().head).buf_idx, sent);
    CHECK_EQ(f.a.tx().LastPut().buf_idx, spare);
    std::vector<uint64_t> offsets;
    CHECK(TakeAt(g.b.rx(), &offsets) == Probe(n, 500));
    CHECK_EQ(offsets[0], 2 * n);
    g.b.rx().Publish();
    g.b.Sync(g.b.rx());
  }
}

/// The receiver's word goes back with the slot, and what it is beyond the maximum is cut.
void APipeCutsThem() {
  PipeFixture f;
  Offsets(*f.engine, f.pair->slave(), {.max = 100});
  PutAt(f.a.tx(), Probe(0, 60), 100);
  f.a.tx().LastPut().ptr = UINT64_MAX;
  f.Send();
  std::vector<uint64_t> offsets;
  CHECK(TakeAt(f.b.rx(), &offsets) == Probe(0, 60));
  CHECK_EQ(offsets[0], 100u);
  f.b.rx().LastPut().ptr = 31;
  f.Release();
  CHECK_EQ(f.a.tx().LastPut().ptr, 31u);
  // As far as its buffer goes, and no further: then the ring stands still, as for any bad slot.
  PutAt(f.a.tx(), Probe(1, kBuf - 100), 100);
  f.Send();
  CHECK(TakeAt(f.b.rx()) == Probe(1, kBuf - 100));
  f.Release();
  PutAt(f.a.tx(), Probe(2, kBuf - 100), 100);
  f.a.tx().LastPut().len++;
  f.Send();
  CHECK(TakeAt(f.b.rx()).empty());
  CHECK_EQ(f.drops(Drop::kBadLen), 1u);
}

void AnInitialOffsetIsInSlotsWithoutAPacket() {
  PipeFixture f;
  f.b.Detach();
  f.Put(0);
  f.Send();  // lies in the slave's rx ring, at the beginning of its buffer
  f.pair->slave().rx(0).slots[0].ptr = 99;
  Offsets(*f.engine, f.pair->slave(), {.max = 300, .bits = 12, .initial = 200});
  const Kring &rx = f.pair->slave().rx(0), &tx = f.pair->slave().tx(0), &peer = f.pair->master().rx(0);
  CHECK_EQ(rx.slots[0].ptr, 0u);
  for (uint32_t i = 1; i < rx.num_slots; i++) CHECK_EQ(rx.slots[i].ptr, 200u);
  for (uint32_t i = 0; i < tx.num_slots; i++) CHECK_EQ(tx.slots[i].ptr, 200u);
  // Whoever is at the other end knows of none.
  for (uint32_t i = 0; i < peer.num_slots; i++) CHECK_EQ(peer.slots[i].ptr, 0u);
  f.AttachB();
  CHECK(TakeAt(f.b.rx()) == Probe(0));
  // Those that somebody has stay as they are.
  OffsetsGiven given;
  CHECK_OK(TryOffsets(*f.engine, f.pair->slave(), {.max = 300, .bits = 12, .initial = 100}, &given, true));
  CHECK_EQ(tx.slots[5].ptr, 200u);
  CHECK_OK(TryOffsets(*f.engine, f.pair->slave(), {.max = 300, .bits = 12, .initial = 100}, &given));
  CHECK_EQ(tx.slots[5].ptr, 100u);
}

/// A program was killed that had published packets, and somebody else keeps the port's other rings.
void WhatWaitsInATxRingStaysWhereItIs() {
  for (const bool had_offsets : {false, true}) {
    PipeFixture f;
    if (had_offsets) Offsets(*f.engine, f.pair->master(), {.max = 300});
    const uint32_t offset = had_offsets ? 77 : 0;
    // In other slots than the first, with something in `ptr` that meant nothing before offsets.
    for (uint64_t n = 0; n < 40; n++) {
      PutAt(f.a.tx(), Probe(n), offset);
      f.Send();
      CHECK(TakeAt(f.b.rx()) == Probe(n));
      f.Release();
    }
    for (uint64_t n = 40; n < 80; n++) {
      PutAt(f.a.tx(), Probe(n), offset);
      if (!had_offsets) f.a.tx().LastPut().ptr = 55;
    }
    f.a.tx().Show();
    Offsets(*f.engine, f.pair->master(), {.max = 300, .initial = 200});
    f.Sync();
    for (uint64_t n = 40; n < 80; n++) {
      std::vector<uint64_t> offsets;
      CHECK(TakeAt(f.b.rx(), &offsets) == Probe(n));
      CHECK_EQ(offsets[0], offset);
    }
    for (uint32_t i = 17; i < 40; i++) CHECK_EQ(f.pair->master().tx(0).slots[i].ptr, 200u);
    // One whose index is none has no packets there.
    f.a.tx().WriteHead(4711);
    Offsets(*f.engine, f.pair->master(), {.max = 300, .initial = 100});
    for (uint32_t i = 0; i < 64; i++) CHECK_EQ(f.pair->master().tx(0).slots[i].ptr, 100u);
  }
}

void WhatARingHasStays() {
  PipeFixture f;
  OffsetsGiven given;
  Offsets(*f.engine, f.pair->master(), {.max = 300, .bits = 12});
  CHECK_OK(TryOffsets(*f.engine, f.pair->slave(), {.max = 10, .bits = 8}, &given));
  CHECK_EQ(given.max, 300u);
  CHECK_EQ(given.bits, 12u);
  CHECK_EQ(TryOffsets(*f.engine, f.pair->slave(), {.max = 301, .bits = 12}, &given).err, EBUSY);
  CHECK_EQ(TryOffsets(*f.engine, f.pair->slave(), {.max = 10, .bits = 13}, &given).err, EBUSY);
  // One ring that cannot keeps all others from it.
  Net net;
  Station &s = net.Add({"", 2, 1, 64, 64, 0}, kBuf, false);
  CHECK_OK(
      SetOffsets(*net.engine, {{Unowned(*s.port), {false, true, false}, {false, false, false}}}, {.max = 4}, &given));
  CHECK_EQ(TryOffsets(*net.engine, *s.port, {.max = 5}, &given).err, EBUSY);
  CHECK(!s.port->tx(0).has_offsets() && s.port->tx(1).has_offsets() && !s.port->rx(0).has_offsets());
}

void TheyLastAsLongAsAPortIsUsed() {
  Net net;
  Station &s = net.Add(), &t = net.Add();
  s.guest.Detach();
  Offsets(*net.engine, *s.port, {.max = 100, .initial = 50});
  s.guest.Attach(net.engine, *s.port);
  t.Send(Frame(0xff, 1));
  s.guest.Detach();
  // What lies in the ring is found by who comes next, whether he has any or not.
  s.port->RestoreRings();
  s.guest.Attach(net.engine, *s.port);
  CHECK_EQ(MaskOf(s.guest.rx()), 0u);
  CHECK(s.guest.rx().Take() == Frame(0xff, 1));
  t.Send(Frame(0xff, 1, 60, 1));
  CHECK(s.guest.rx().Take() == Frame(0xff, 1, 60, 1));
  // Both ends of a pipe have the same, as long as somebody is at one of them.
  PipeFixture f;
  Offsets(*f.engine, f.pair->master(), {.max = 100});
  f.a.Detach();
  f.pair->master().RestoreRings();
  CHECK(f.pair->master().tx(0).has_offsets());
  f.AttachA();
  CHECK_EQ(MaskOf(f.a.tx()), UINT64_MAX);
  for (uint32_t n = 0; n < 2; n++) PutAt(f.a.tx(), Probe(n, 1000), 100 - n);
  f.Send();
  f.a.Detach();
  f.b.Detach();
  f.pair->slave().rx(0).slots[1].len = kBuf;  // what is spoilt stays as it is
  f.pair->master().RestoreRings();
  for (PipeEnd *end : {&f.pair->master(), &f.pair->slave()})
    CHECK(!end->tx(0).has_offsets() && !end->rx(0).has_offsets());
  f.AttachB();
  CHECK_EQ(MaskOf(f.b.rx()), 0u);
  CHECK(f.b.rx().Take() == Probe(0, 1000));
  CHECK_EQ(f.b.rx().Take().size(), size_t{kBuf});
  CHECK(f.b.rx().Take().empty());
  f.Release();
  f.AttachA();
  f.Put(1);
  f.Send();
  f.Expect(1);
}

/// A VM and whoever else looks for packets where buffers begin.
void WhoKnowsNothingOfThemKeepsOthersFromIt() {
  constexpr AttachOptions kPlain{.policy = Policy::kInline, .plain = true};
  PipeFixture f;
  OffsetsGiven given;
  f.a.Detach();
  f.a.Attach(f.engine, f.pair->master(), kPlain);
  CHECK_EQ(TryOffsets(*f.engine, f.pair->slave(), {.max = 10}, &given).err, EOPNOTSUPP);
  CHECK(!f.pair->slave().tx(0).has_offsets());
  f.a.Detach();
  Offsets(*f.engine, f.pair->slave(), {.max = 10});
  CHECK_EQ(f.a.TryAttach(f.engine, f.pair->master(), kPlain).err, EBUSY);
  CHECK(f.pair->slave().tx(0).has_offsets());
  // Nobody is there any more: what has been sent is there.
  PutAt(f.b.tx(), Probe(7), 10);
  f.b.tx().Publish();
  f.b.Sync(f.b.tx());
  f.b.Detach();
  f.a.Attach(f.engine, f.pair->master(), kPlain);
  CHECK_EQ(MaskOf(f.a.rx()), 0u);
  CHECK(f.a.rx().Take() == Probe(7));
  // A ring that somebody else has without.
  CHECK_EQ(TryOffsets(*f.engine, f.pair->master(), {.max = 10}, &given, true).err, EBUSY);
  // On a switch each port has its own.
  Net net;
  Station &s = net.Add(), &t = net.Add();
  s.guest.Detach();
  s.guest.Attach(net.engine, *s.port, kPlain);
  Offsets(*net.engine, *t.port, {.max = 100, .initial = 100});
  s.Send(Frame(0xff, 0));
  CHECK(TakeAt(t.guest.rx()) == Frame(0xff, 0));
  PutAt(t.guest.tx(), Frame(0xff, 1), 33);
  t.Serve();
  CHECK(s.Got(Frame(0xff, 1)));
}

void NullAndEchoLookThere() {
  const auto engine = MakeEngine();
  const auto stats = MakeStats();
  std::shared_ptr<NullPort> null;
  CHECK_OK(NullPort::Create(MakeRegion(), stats, {"null:t", 1, 1, 64, 64, 0}, &null));
  null->sink(0).set_verify(Payload::kFull);
  null->source(0).Configure({.packets = 300, .size = 1500, .payload = Payload::kStamp});
  Guest guest;
  guest.Attach(engine, *null);
  guest.Sync(guest.rx());
  uint64_t seq = 0;
  guest::StreamTracker tracker(0);
  const auto take_all = [&] {
    for (; guest.rx().Mine() > 0; seq++) tracker.Check<guest::Payload::kFull>(TakeAt(guest.rx()).data(), 1500);
  };
  take_all();
  Offsets(*engine, *null, {.max = 1000, .initial = 900});
  while (seq < 300) {
    guest.rx().Publish();
    guest.Sync(guest.rx());
    // In two slots now, since there is so much less room.
    take_all();
  }
  CHECK_EQ(tracker.lost() + tracker.late() + tracker.corrupt(), 0u);
  for (uint64_t n = 0; n < 100; n++) {
    PutAt(guest.tx(), Probe(n, 700), 10 * static_cast<uint32_t>(n));
    guest.tx().Publish();
    guest.Sync(guest.tx());
  }
  CHECK_EQ(null->tx(0).counters->packets, 100u);
  CHECK_EQ(null->tx(0).counters->corrupt + null->tx(0).counters->lost, 0u);
  std::shared_ptr<EchoPort> echo;
  CHECK_OK(EchoPort::Create(MakeRegion(), stats, {"echo:t", 1, 1, 64, 64, 0}, &echo));
  Guest other;
  other.Attach(engine, *echo);
  Offsets(*engine, *echo, {.max = kBuf - 100, .initial = kBuf - 100});
  for (uint32_t n = 0; n < 10; n++) {
    auto packet = Probe(n, 250);
    PutAt(other.tx(), packet, 11 * n);
    other.tx().Publish();
    other.Sync(other.tx());
    std::swap_ranges(packet.begin(), packet.begin() + 6, packet.begin() + 6);
    CHECK(TakeAt(other.rx()) == packet);
  }
}

/// What would take its host long when it ends.
void LargeRingsHaveNone() {
  const auto engine = MakeEngine();
  const auto stats = MakeStats();
  std::shared_ptr<NullPort> null;
  CHECK_OK(NullPort::Create(MakeRegion(1, 2048, 65536), stats, {"null:t", 1, 1, 64, 1025, 0}, &null));
  OffsetsGiven given;
  CHECK_EQ(TryOffsets(*engine, *null, {.max = 1}, &given).err, EOPNOTSUPP);
  CHECK(!null->tx(0).has_offsets());
}

void RoomThatIsTooLittleMakesNoPackets() {
  const auto engine = MakeEngine();
  const auto stats = MakeStats();
  std::shared_ptr<NullPort> null;
  CHECK_OK(NullPort::Create(MakeRegion(), stats, {"null:t", 1, 1, 64, 64, 0}, &null));
  null->source(0).Configure({.packets = 300, .size = 60, .payload = Payload::kFull});
  std::shared_ptr<EchoPort> echo;
  CHECK_OK(EchoPort::Create(MakeRegion(), stats, {"echo:t", 1, 1, 64, 64, 0}, &echo));
  Guest guest, other;
  Offsets(*engine, *null, {.max = kBuf - 31});
  Offsets(*engine, *echo, {.max = kBuf - 11});
  guest.Attach(engine, *null);
  other.Attach(engine, *echo);
  guest.Sync(guest.rx());
  CHECK_EQ(guest.rx().Mine(), 0u);
  PutAt(other.tx(), Probe(0), 0);
  other.tx().Publish();
  other.Sync(other.tx());
  CHECK_EQ(other.rx().Mine(), 0u);
  CHECK_EQ(echo->tx(0).counters->drops[static_cast<int>(Drop::kBadLen)], 1u);
}

/// Rings get offsets while a worker serves them.
void TheyComeWhileThereIsTraffic() {
  PipeFixture f;
  f.a.Detach();
  f.b.Detach();
  f.a.Attach(f.engine, f.pair->master(), {.policy = Policy::kAdaptive});
  f.b.Attach(f.engine, f.pair->slave(), {.policy = Policy::kAdaptive});
  f.a.EnableInterrupts();
  f.b.EnableInterrupts();
  constexpr uint64_t kPackets = 20'000;
  std::atomic<uint64_t> taken{0};
  std::thread sender([&] {
    for (uint64_t seq = 0; seq < kPackets; seq++) {
      f.a.tx().Await();
      CHECK(f.a.tx().Put(Probe(seq)));
      f.a.tx().Publish();
    }
  });
  std::thread receiver([&] {
    for (uint64_t seq = 0; seq < kPackets; seq++) {
      f.b.rx().Await();
      CHECK(f.b.rx().Take() == Probe(seq));
      f.b.rx().Publish();
      taken = seq;
    }
  });
  Eventually("a quarter", [&] { return taken > kPackets / 4; });
  Offsets(*f.engine, f.pair->master(), {.max = 300});
  sender.join();
  receiver.join();
}

}  // namespace

int main() {
  APipeCarriesThem();
  ABufferGoesOnWithItsOffset();
  APipeCutsThem();
  AnInitialOffsetIsInSlotsWithoutAPacket();
  WhatWaitsInATxRingStaysWhereItIs();
  WhatARingHasStays();
  TheyLastAsLongAsAPortIsUsed();
  WhoKnowsNothingOfThemKeepsOthersFromIt();
  NullAndEchoLookThere();
  LargeRingsHaveNone();
  RoomThatIsTooLittleMakesNoPackets();
  TheyComeWhileThereIsTraffic();
}
