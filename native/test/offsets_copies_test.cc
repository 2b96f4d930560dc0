// Offsets on the way from ring to ring: a switch and monitors with copies leave packets where the receiver's slots say,
// zero-copy monitors where the sender's do.
#include <algorithm>

#include "monitor_rig.h"
#include "offsets_rig.h"
#include "pipe_fixture.h"
#include "vale_net.h"
#include "zcopy_rig.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// Between stations with and without, in batches and in what would be runs.
void ASwitchPassesOnFromAndToAnyOffset() {
  Net net;
  for (int i = 0; i < 4; i++) net.Add();
  Offsets(*net.engine, *net[1].port, {.max = 700, .bits = 10});
  Offsets(*net.engine, *net[2].port, {.max = 64, .bits = 64});
  for (uint8_t i = 0; i < 4; i++) net[i].Send(Frame(0xff, i));
  for (uint8_t i = 0; i < 4; i++) {
    for (int n = 0; n < 3; n++) CHECK_EQ(TakeAt(net[i].guest.rx()).size(), 60u);
    net[i].guest.rx().Publish();
  }
  Random random("offsets");
  for (uint32_t lap = 0; lap < 400; lap++) {
    const auto from = static_cast<uint8_t>(random.Below(4)),
               to = static_cast<uint8_t>((from + 1 + random.Below(3)) % 4);
    GuestRing &tx = net[from].guest.tx(), &rx = net[to].guest.rx();
    const uint32_t most = from == 1 ? 700 : from == 2 ? 64 : 0, packets = 1 + random.Below(20);
    std::vector<std::vector<uint8_t>> sent;
    std::vector<uint64_t> wanted;
    for (uint32_t n = 0, i = rx.head; n < packets; n++, i = rx.Next(i)) {
      sent.push_back(Frame(to, from, 14 + random.Below(1300), lap + n));
      PutAt(tx, sent.back(), random.Below(most + 1));
      rx.slot(i).ptr = random.Below(2000);
      memset(rx.data(i), Station::kUntouched, kBuf);
      wanted.push_back(to == 1   ? std::min<uint64_t>(rx.slot(i).ptr & 0x3ff, 700)
                       : to == 2 ? std::min<uint64_t>(rx.slot(i).ptr, 64)
                                 : 0);
    }
    net[from].Serve();
    for (uint32_t n = 0; n < packets; n++) {
      const uint32_t i = rx.head;
      std::vector<uint64_t> offsets;
      CHECK(TakeAt(rx, &offsets) == sent[n]);
      CHECK_EQ(offsets.size(), 1u);
      CHECK_EQ(offsets[0], wanted[n]);
      for (uint64_t at = 0; at < kBuf; at++)
        if (at < wanted[n] || at >= wanted[n] + sent[n].size()) CHECK_EQ(rx.data(i)[at], Station::kUntouched);
    }
    rx.Publish();
  }
}

/// Between stations with a virtio-net header or none, of any number of slots, into any number.
void AHeaderComesBetween() {
  constexpr uint32_t kHeaders[] = {12, 0, 10, 0}, kMost[] = {700, 0, 100, 64};
  Net net;
  for (const uint32_t header : kHeaders) {
    Station& s = net.Add({"", 1, 1, 64, 64, 0}, kBuf, false);
    s.guest.Attach(net.engine, *s.port, {.policy = Policy::kInline, .vnet_hdr_len = static_cast<uint8_t>(header)});
  }
  for (uint32_t i = 0; i < 4; i++)
    if (kMost[i] > 0) Offsets(*net.engine, *net[i].port, {.max = kMost[i], .initial = kMost[i] / 2});
  Random random("offsets behind headers");
  for (uint32_t lap = 0; lap < 600; lap++) {
    const auto from = static_cast<uint8_t>(random.Below(4));
    const uint32_t pieces = 1 + random.Below(3), len = 14 + 42 * pieces + random.Below(1000);
    const auto frame = Frame(random.OneIn(3) ? 0xff : static_cast<uint8_t>((from + 1) % 4), from, len, lap);
    std::vector<uint8_t> packet(kHeaders[from]);
    packet.insert(packet.end(), frame.begin(), frame.end());
    GuestRing& tx = net[from].guest.tx();
    for (uint32_t n = 0, at = 0, size = static_cast<uint32_t>(packet.size()); n < pieces; n++) {
      const uint32_t end = n + 1 < pieces ? at + size / pieces : size;
      PutAt(tx, {packet.begin() + at, packet.begin() + end}, random.Below(kMost[from] + 1));
      if (n + 1 < pieces) tx.LastPut().flags = NS_MOREFRAG;
      at = end;
    }
    net[from].Serve();
    CHECK_EQ(net[from].tx_drops(Drop::kBadVnet) + net[from].tx_drops(Drop::kBadLen), 0u);
    for (uint8_t to = 0; to < 4; to++) {
      GuestRing& rx = net[to].guest.rx();
      if (to == from || rx.Mine() == 0) continue;
      std::vector<uint8_t> got = TakeAt(rx);
      CHECK_EQ(got.size(), kHeaders[to] + frame.size());
      CHECK(std::equal(frame.begin(), frame.end(), got.begin() + kHeaders[to]));
      CHECK(std::all_of(got.begin(), got.begin() + kHeaders[to], [](uint8_t byte) { return byte == 0; }));
      CHECK_EQ(rx.Mine(), 0u);
      rx.LastPut().ptr = random.Below(kMost[to] + 1);
      rx.Publish();
    }
  }
  for (uint32_t i = 0; i < 4; i++) CHECK(net[i].rx(0).packets > 100);
}

void APacketIsCutToTheRoomThatIsLeft() {
  Net net;
  Station &a = net.Add(), &b = net.Add(), &c = net.Add();
  Offsets(*net.engine, *b.port, {.max = 1500});
  Offsets(*net.engine, *c.port, {.max = 10, .gap = 256});
  for (uint32_t i = 0; i < 64; i++) b.guest.rx().slot(i).ptr = 7, c.guest.rx().slot(i).ptr = 10;
  const auto frame = Frame(0xff, 0, 1200);
  a.Send(frame);
  std::vector<uint64_t> offsets;
  CHECK(TakeAt(b.guest.rx(), &offsets) == frame);
  CHECK(offsets == std::vector<uint64_t>(3, 7));  // of 548 bytes each
  CHECK(TakeAt(c.guest.rx(), &offsets) == frame);
  CHECK(offsets == std::vector<uint64_t>(5, 10));
  // All of a buffer but some bytes: nothing fits.
  Station& d = net.Add();
  Offsets(*net.engine, *d.port, {.max = kBuf - Kring::kRoomMin + 1});
  a.Send(Frame(0xff, 0));
  CHECK(d.Nothing());
  CHECK_EQ(d.rx_drops(Drop::kBadFrags), 1u);
  CHECK(TakeAt(b.guest.rx()) == Frame(0xff, 0));
  // A sender's slot that goes beyond its buffer is its own fault.
  PutAt(b.guest.tx(), Frame(0xff, 1, 600), 1400);
  b.guest.tx().LastPut().ptr = 1500;
  b.guest.tx().LastPut().len = kBuf - 1500 + 1;
  b.Serve();
  CHECK_EQ(b.tx_drops(Drop::kBadLen), 1u);
}

void CopiesOfAMonitorAreWhereItsSlotsSay() {
  PipeFixture f;
  MonitorRig plain(f.engine, {f.pair, &f.pair->master()}, kBoth), own(f.engine, {f.pair, &f.pair->master()}, kBoth);
  Offsets(*f.engine, *own.port, {.max = 40, .initial = 40});
  plain.Attach();
  own.Attach();
  const auto pass = [&](uint32_t offset, uint64_t seq) {
    for (uint32_t n = 0; n < 10; n++) PutAt(f.a.tx(), Probe(seq + n, 60 + n), offset);
    f.Send();
    for (uint32_t n = 0; n < 10; n++) {
      std::vector<uint64_t> offsets;
      CHECK(TakeAt(f.b.rx()) == Probe(seq + n, 60 + n));
      CHECK(plain.Take() == Probe(seq + n, 60 + n));
      CHECK(TakeAt(own.guest.rx(), &offsets) == Probe(seq + n, 60 + n));
      CHECK_EQ(offsets[0], 40u);
    }
    own.guest.rx().Publish();
    f.Release();
  };
  pass(0, 0);
  Offsets(*f.engine, f.pair->master(), {.max = 300});
  pass(123, 10);
  pass(0, 20);
}

/// Given back in parts, by turns: the beginnings wait in the monitor's ring, each slot with its offset.
void APacketComesInParts() {
  PipeFixture f;
  const std::shared_ptr<Port> master = Alias(f.pair, f.pair->master());
  ZcopyRig monitor(f.engine, master, kBoth);
  monitor.Attach();
  Offsets(*f.engine, *master, {.max = 1000});
  const auto put = [](GuestRing& tx, uint64_t seq, uint32_t offset) {
    for (uint32_t n = 0; n < 3; n++) {
      PutAt(tx, Probe(seq + n, 100 + n), offset + 7 * n);
      if (n < 2) tx.LastPut().flags = NS_MOREFRAG;
    }
    tx.Publish();
  };
  const auto release = [](Guest& guest, uint32_t slots) {
    guest.rx().head = guest.rx().Advance(guest.rx().head, slots);
    guest.rx().Publish();
    guest.Sync(guest.rx());
  };
  const auto expect = [&](uint64_t seq, uint32_t offset) {
    monitor.LookAgain();
    std::vector<uint64_t> offsets;
    std::vector<uint8_t> wanted;
    for (uint32_t n = 0; n < 3; n++) {
      const auto piece = Probe(seq + n, 100 + n);
      wanted.insert(wanted.end(), piece.begin(), piece.end());
    }
    CHECK(TakeAt(monitor.guest.rx(), &offsets) == wanted);
    CHECK(offsets == std::vector<uint64_t>({offset, offset + 7, offset + 14}));
    monitor.guest.rx().Publish();
  };
  for (uint32_t lap = 0; lap < 60; lap++) {
    put(f.a.tx(), 10 * lap, lap);
    f.a.Sync(f.a.tx());
    put(f.b.tx(), 10 * lap + 5, 900 - lap);
    f.b.Sync(f.b.tx());
    release(f.b, 1 + lap % 2);
    release(f.a, 2 - lap % 2);
    if (lap % 3 == 0) {
      release(f.b, 2 - lap % 2);
      expect(10 * lap, lap);
      release(f.a, 1 + lap % 2);
      expect(10 * lap + 5, 900 - lap);
    } else {
      release(f.a, 1 + lap % 2);
      expect(10 * lap + 5, 900 - lap);
      release(f.b, 2 - lap % 2);
      expect(10 * lap, lap);
    }
  }
  // Its next client begins without offsets, and with what is given back from then on.
  put(f.a.tx(), 1, 50);
  f.a.Sync(f.a.tx());
  release(f.b, 1);
  monitor.guest.Detach();
  monitor.port->RestoreRings();
  CHECK_EQ(monitor.port->rx(0).ring->offset_mask, 0u);
  monitor.Attach();
  release(f.b, 2);
  monitor.LookAgain();
  std::vector<uint64_t> offsets;
  CHECK_EQ(TakeAt(monitor.guest.rx(), &offsets).size(), 101u + 102u);
  CHECK(offsets == std::vector<uint64_t>({57, 64}));
}

/// The packets themselves, wherever they begin, also to the one that stands behind another one.
void AZeroCopyMonitorShowsThem() {
  PipeFixture f;
  const std::shared_ptr<Port> master = Alias(f.pair, f.pair->master());
  ZcopyRig first(f.engine, master, kSent), second(f.engine, master, kSent);
  CHECK(!first.port->TakesOffsets() && master->TakesOffsets());
  first.Attach();
  second.Attach();
  const auto pass = [&](uint64_t seq, uint32_t offset) {
    PutAt(f.a.tx(), Probe(seq, 90), offset);
    f.Send();
    CHECK(TakeAt(f.b.rx()) == Probe(seq, 90));
    f.Release();
    for (ZcopyRig* monitor : {&first, &second}) {
      monitor->LookAgain();
      std::vector<uint64_t> offsets;
      CHECK(TakeAt(monitor->guest.rx(), &offsets) == Probe(seq, 90));
      CHECK_EQ(offsets[0], MaskOf(monitor->guest.rx()) != 0 ? offset : 0);
      monitor->guest.rx().Publish();
    }
  };
  for (uint64_t seq = 0; seq < 100; seq++) pass(seq, 0);
  CHECK_EQ(MaskOf(first.guest.rx()), 0u);
  Offsets(*f.engine, *master, {.max = 1000, .bits = 12});
  for (uint32_t n = 0; n < 100; n++) pass(n, 10 * n % 1000);
  CHECK_EQ(MaskOf(second.guest.rx()), UINT64_MAX);
  CheckBuffers({&f.pair->master().tx(0), &first.port->rx(0), &second.port->rx(0), &first.port->tx(0)});
  // What does not fit where it says that it is, it does not take.
  Kring& shown = f.pair->slave().rx(0);
  PutAt(f.a.tx(), Probe(0, 90), 0);
  f.Send();
  f.b.rx().slot(f.b.rx().head).ptr = 1000;
  f.b.rx().slot(f.b.rx().head).len = kBuf - 999;
  f.b.rx().head = f.b.rx().Next(f.b.rx().head);
  f.Release();
  CHECK(TakeAt(first.guest.rx()).empty());
  CHECK_EQ(first.drops(Drop::kBadLen), 1u);
  CHECK_EQ(shown.offset_max, 1000u);
  // Its next client begins without.
  first.guest.Detach();
  first.port->RestoreRings();
  CHECK_EQ(first.port->rx(0).ring->offset_mask, 0u);
}

}  // namespace

int main() {
  ASwitchPassesOnFromAndToAnyOffset();
  AHeaderComesBetween();
  APacketIsCutToTheRoomThatIsLeft();
  CopiesOfAMonitorAreWhereItsSlotsSay();
  APacketComesInParts();
  AZeroCopyMonitorShowsThem();
}
