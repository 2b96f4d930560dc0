// VALE: who gets which packet, what is learned, what is dropped where, and that a packet arrives as it was sent.
#include <errno.h>

#include <algorithm>

#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint8_t kAll = 0xff;

void UnknownAndBroadcastGoToAllOthers() {
  Net net;
  for (int i = 0; i < 4; i++) net.Add();
  for (uint8_t dst : {kAll, uint8_t{9}}) {
    net[1].Send(Frame(dst, 1));
    for (size_t i : {0u, 2u, 3u}) CHECK(net[i].Got(Frame(dst, 1)) && net[i].Nothing());
    CHECK(net[1].Nothing());
  }
  auto multicast = Frame(9, 1);
  multicast[0] = 0x01;
  net[1].Send(multicast);
  for (size_t i : {0u, 2u, 3u}) CHECK(net[i].Got(multicast));
  CHECK_EQ(net[1].tx().packets, 3u);
}

void KnownGoesToItsPortAlone() {
  Net net;
  for (int i = 0; i < 4; i++) net.Add();
  net[2].Send(Frame(kAll, 7));
  for (size_t i : {0u, 1u, 3u}) CHECK(net[i].Got(Frame(kAll, 7)));
  net[0].Send(Frame(7, 5, 60, 1));
  CHECK(net[2].Got(Frame(7, 5, 60, 1)));
  for (auto& s : net.stations) CHECK(s->Nothing());
  // The station moves to port 3.
  net[3].Send(Frame(5, 7));
  CHECK(net[0].Got(Frame(5, 7)));
  net[0].Send(Frame(7, 5, 60, 2));
  CHECK(net[3].Got(Frame(7, 5, 60, 2)));
  for (auto& s : net.stations) CHECK(s->Nothing());
}

void NothingGoesBackToItsSource() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  net[0].Send(Frame(kAll, 7));
  net[1].Take(), net[2].Take();
  net[0].Send(Frame(7, 8));  // to a station at the very port it comes from
  for (auto& s : net.stations) CHECK(s->Nothing());
  CHECK_EQ(net[0].tx_drops(Drop::kNoDestination), 1u);
}

void SomeSourcesAreNotLearned() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  auto multicast = Frame(kAll, 7);
  multicast[6] |= 1;
  net[0].Send(multicast);
  net[0].Send(Frame(kAll, 8), 1, guest::NS_NO_LEARN);
  for (size_t i : {1u, 2u}) net[i].Take(), net[i].Take();
  auto to_multicast = Frame(7, 9);
  to_multicast[0] |= 1;
  for (const auto& frame : {to_multicast, Frame(8, 9)}) {
    net[1].Send(frame);
    CHECK(net[0].Got(frame) && net[2].Got(frame));
  }
}

void DropsAreCountedWhereTheyHappen() {
  Net net;
  Station& alone = net.Add();
  alone.Send(Frame(kAll, 1));
  alone.Send(Frame(9, 1));
  CHECK_EQ(alone.tx_drops(Drop::kNoDestination), 2u);
  Station& down = net.Add({"", 1, 1, 64, 64, 0}, 2048, false);
  Station& small = net.Add({"", 1, 1, 64, 8, 0});
  for (int i = 0; i < 10; i++) alone.Send(Frame(kAll, 1, 60, static_cast<uint32_t>(i)));
  CHECK_EQ(alone.tx_drops(Drop::kNoDestination), 2u);
  CHECK_EQ(down.rx_drops(Drop::kDown), 10u);
  CHECK_EQ(small.rx().packets, 7u);
  CHECK_EQ(small.rx_drops(Drop::kFull), 3u);
  for (uint32_t i = 0; i < 7; i++) CHECK(small.Got(Frame(kAll, 1, 60, i)));
  CHECK(small.Nothing());
  alone.Send(Frame(kAll, 1));
  CHECK(small.Got(Frame(kAll, 1)));
}

void ShortPacketsAreDropped() {
  Net net;
  net.Add(), net.Add();
  for (uint32_t len = 0; len < 14; len++) net[0].Send(Frame(kAll, 1, len));
  net[0].Send(Frame(kAll, 1, 26), 2);  // 13 + 13: the header is not in one piece
  CHECK_EQ(net[0].tx_drops(Drop::kBadLen), 15u);
  CHECK(net[1].Nothing());
  net[0].Send(Frame(kAll, 1, 14));
  CHECK(net[1].Got(Frame(kAll, 1, 14)));
}

void BadSlotsOfTheSenderAreDroppedByCause() {
  Net net;
  net.Add({"", 1, 1, 256, 64, 0}), net.Add({"", 1, 1, 64, 256, 0});
  GuestRing& tx = net[0].guest.tx();
  const guest::netmap_slot bad[] = {
      {0, 60, 0, 0}, {2048, 60, 0, 0}, {2, 2049, 0, 0}, {2, 60, guest::NS_INDIRECT, 0x41414141}};
  for (const guest::netmap_slot& slot : bad) {
    CHECK(tx.Put(Frame(kAll, 1).data(), 60));
    uint32_t at = tx.Prev(tx.head), mine = tx.slot(at).buf_idx;
    tx.slot(at) = slot;
    net[0].Send(Frame(kAll, 1));
    tx.slot(at).buf_idx = mine;
    CHECK(net[1].Got(Frame(kAll, 1)) && net[1].Nothing());
  }
  net[0].Send(Frame(kAll, 1, 65 * 20), 65);
  net[0].Send(Frame(kAll, 1, 64 * 20), 64);
  CHECK(net[1].Got(Frame(kAll, 1, 64 * 20)) && net[1].Nothing());
  CHECK_EQ(net[0].tx_drops(Drop::kBadBuf), 2u);
  CHECK_EQ(net[0].tx_drops(Drop::kBadLen), 1u);
  CHECK_EQ(net[0].tx_drops(Drop::kBadFlags), 1u);
  CHECK_EQ(net[0].tx_drops(Drop::kBadFrags), 1u);
  CHECK_EQ(net[0].tx().packets, 5u);
}

/// A receiver that spoils its own ring harms nobody else, and gets packets again when it has mended it.
void BadReceiversHarmThemselvesAlone() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  GuestRing& rx = net[1].guest.rx();
  uint32_t mine = rx.slot(0).buf_idx;
  for (uint32_t bad : {0u, 1u, 2048u, UINT32_MAX}) {
    rx.slot(0).buf_idx = bad;
    net[0].Send(Frame(kAll, 1));
    CHECK(net[1].Nothing() && net[2].Got(Frame(kAll, 1)));
  }
  CHECK_EQ(net[1].rx_drops(Drop::kBadBuf), 4u);
  rx.slot(0).buf_idx = mine;
  rx.WriteHead(5);
  for (int i = 0; i < 3; i++) net[0].Send(Frame(kAll, 1));
  CHECK_EQ(net[1].rx().bad_index, 1u);
  CHECK_EQ(net[1].rx_drops(Drop::kDown), 3u);
  rx.Publish();
  net[0].Send(Frame(kAll, 1, 61));
  CHECK(net[1].Got(Frame(kAll, 1, 61)));
}

void MultiSlotPacketsStayWhole() {
  Net net;
  net.Add(), net.Add({"", 1, 1, 64, 8, 0});
  for (uint32_t round = 0; round < 40; round++) {
    uint32_t frags = 1 + round % 7, slots = 0;
    net[0].Send(Frame(kAll, 1, 700 + round, round), frags);
    uint16_t flags = net[1].guest.rx().slot(net[1].guest.rx().head).flags;
    CHECK_EQ(flags >> 8, frags > 1 ? frags : 0);
    CHECK(net[1].Take(0, &slots) == Frame(kAll, 1, 700 + round, round));
    CHECK_EQ(slots, frags);
  }
  // Nearly full: what does not fit whole is dropped whole, a smaller one behind it still fits.
  for (uint32_t frags : {5u, 3u, 2u, 1u}) net[0].Send(Frame(kAll, 1, 700, frags), frags);
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 2u);
  CHECK(net[1].Got(Frame(kAll, 1, 700, 5)) && net[1].Got(Frame(kAll, 1, 700, 2)) && net[1].Nothing());
  net[0].Send(Frame(kAll, 1, 800), 8);  // never fits a ring of 8
  CHECK_EQ(net[1].rx_drops(Drop::kBadFrags), 1u);
}

void SmallerBuffersTakeMorePieces() {
  Net net;
  net.Add({"", 1, 1, 128, 64, 0}, 4096), net.Add({"", 1, 1, 64, 128, 0}, 512), net.Add({"", 1, 1, 64, 64, 0}, 2048);
  for (uint32_t len : {512u, 513u, 1024u, 2049u, 4095u, 4096u}) {
    uint32_t slots = 0;
    net[0].Send(Frame(kAll, 1, len));
    CHECK(net[1].Take(0, &slots) == Frame(kAll, 1, len));
    CHECK_EQ(slots, (len + 511) / 512);
    CHECK(net[2].Take(0, &slots) == Frame(kAll, 1, len));
    CHECK_EQ(slots, (len + 2047) / 2048);
  }
  // As many pieces as there were, but cut at other places.
  GuestRing& tx = net[0].guest.tx();
  auto frame = Frame(kAll, 1, 4050);
  CHECK(tx.Put(frame.data(), 4000) && tx.Put(frame.data() + 4000, 50));
  tx.slot(tx.Advance(tx.head, tx.num_slots - 2)).flags = guest::NS_MOREFRAG;
  net[0].Serve();
  CHECK(net[2].Got(frame) && net[1].Got(frame));
  // Larger buffers take the pieces as they are.
  uint32_t slots = 0;
  net[1].Send(Frame(kAll, 2, 1500), 3);
  CHECK(net[0].Take(0, &slots) == Frame(kAll, 2, 1500));
  CHECK_EQ(slots, 3u);
  CHECK(net[2].Got(Frame(kAll, 2, 1500)));
  // More than 64 pieces are never made.
  net[0].Send(Frame(kAll, 1, 64 * 512 + 1), 9);
  CHECK_EQ(net[1].rx_drops(Drop::kBadFrags), 1u);
  CHECK(net[2].Got(Frame(kAll, 1, 64 * 512 + 1)) && net[1].Nothing());
}

void OrderIsKeptWhenFloodAndUnicastMix() {
  Net net;
  net.Add(), net.Add(), net.Add();
  net[1].Send(Frame(kAll, 7));
  net[0].Take(), net[2].Take();
  GuestRing& tx = net[0].guest.tx();
  auto unicast = [](uint32_t i) { return i % 3 != 1; };
  for (uint32_t i = 0; i < 30; i++) CHECK(tx.Put(Frame(unicast(i) ? 7 : kAll, 1, 60, i).data(), 60));
  net[0].Serve();
  for (uint32_t i = 0; i < 30; i++) {
    CHECK(net[1].Got(Frame(unicast(i) ? 7 : kAll, 1, 60, i)));
    if (!unicast(i)) CHECK(net[2].Got(Frame(kAll, 1, 60, i)));
  }
  CHECK(net[1].Nothing() && net[2].Nothing());
}

void TxRingsMapToRxRings() {
  Net net;
  net.Add({"", 5, 1, 64, 64, 0}), net.Add({"", 1, 2, 64, 64, 0});
  for (uint32_t ring = 0; ring < 5; ring++) {
    net[0].Send(Frame(kAll, 1, 60, ring), 1, 0, ring);
    CHECK_EQ(net[1].guest.rx(1 - ring % 2).Mine(), 0u);
    CHECK(net[1].Take(ring % 2) == Frame(kAll, 1, 60, ring));
  }
}

void TheSwitchHoldsWhatItSays() {
  auto engine = MakeEngine();
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<Region> region;
  CHECK_OK(Region::Create(1, {{260, 1024}, {1024, 512}, {4096, 128}}, {}, &region));
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  std::vector<std::shared_ptr<ValePort>> ports(254);
  for (auto& port : ports) CHECK_OK(ValePort::Create(region, stats, {"vale0:p", 1, 1, 8, 8, 0}, sw, &port));
  std::shared_ptr<ValePort> more;
  CHECK_EQ(ValePort::Create(region, stats, {"vale0:p", 1, 1, 8, 8, 0}, sw, &more).err, ENOSPC);
  Guest first, last;
  first.Attach(engine, *ports[0]);
  last.Attach(engine, *ports[253]);
  CHECK(last.tx().Put(Frame(kAll, 7).data(), 60));
  last.tx().Publish();
  last.Sync(last.tx());
  CHECK(first.rx().Take() == Frame(kAll, 7));
  uint64_t down = 0;
  for (auto& port : ports) down += port->rx(0).counters->drops[static_cast<int>(Drop::kDown)];
  CHECK_EQ(down, 252u);
  CHECK(first.tx().Put(Frame(7, 8).data(), 60));
  first.tx().Publish();
  first.Sync(first.tx());
  CHECK(last.rx().Take() == Frame(7, 8));
  // A place that is given up can be taken again.
  ports[100].reset();
  CHECK_OK(ValePort::Create(region, stats, {"vale0:p", 1, 1, 8, 8, 0}, sw, &more));
  CHECK_EQ(more->number(), 100u);
}

void ALeavingPortIsForgotten() {
  Net net;
  for (int i = 0; i < 3; i++) net.Add();
  net[1].Send(Frame(kAll, 7));
  net[0].Take(), net[2].Take();
  net[1].port->Leave();
  net[1].port->Leave();
  net[0].Send(Frame(7, 5));
  CHECK(net[2].Got(Frame(7, 5)) && net[1].Nothing());
  // Whoever takes the place over is not taken for the one before, and the one before is heard no more.
  Station& heir = net.Add();
  CHECK_EQ(heir.port->number(), net[1].port->number());
  net[1].Send(Frame(kAll, 7));
  CHECK(net[0].Nothing() && net[2].Nothing() && heir.Nothing());
  CHECK_EQ(net[1].tx_drops(Drop::kNoDestination), 1u);
  net[0].Send(Frame(7, 5));
  CHECK(net[2].Got(Frame(7, 5)) && heir.Got(Frame(7, 5)));
}

void WhatWasReleasedStaysReleased() {
  Net net;
  net.Add(), net.Add();
  for (uint32_t i = 0; i < 10; i++) net[0].Send(Frame(kAll, 1, 60, i));
  for (uint32_t i = 0; i < 4; i++) CHECK(net[1].Got(Frame(kAll, 1, 60, i)));
  net[1].guest.Detach();
  net[0].Send(Frame(kAll, 1));
  CHECK_EQ(net[1].rx_drops(Drop::kDown), 1u);
  net[1].guest.Attach(net.engine, *net[1].port);
  for (uint32_t i = 4; i < 10; i++) CHECK(net[1].Got(Frame(kAll, 1, 60, i)));
  CHECK(net[1].Nothing());
}

/// Whoever sends to it looks at an rx ring, and nobody else: its guest is not to kick. A ring that was mended in time,
/// or whose guest writes there, still says that it is.
void ARingThatIsServedAsksForNoKicks() {
  Net net;
  net.Add(), net.Add();
  const uint32_t rx = net[1].port->shape().tx_rings;
  uint32_t& wants_kick = net[1].guest.csb_word(true, rx, 2);
  for (uint8_t dst : {kAll, uint8_t{1}}) {
    net[1].Send(Frame(0, 1));  // from then on its address is known
    std::atomic_ref(wants_kick).store(1);
    net[0].Send(Frame(dst, 0));
    CHECK(net[1].Got(Frame(dst, 0)));
    CHECK_EQ(std::atomic_ref(wants_kick).load(), 0u);
  }
}

}  // namespace

int main() {
  UnknownAndBroadcastGoToAllOthers();
  KnownGoesToItsPortAlone();
  NothingGoesBackToItsSource();
  SomeSourcesAreNotLearned();
  DropsAreCountedWhereTheyHappen();
  ShortPacketsAreDropped();
  BadSlotsOfTheSenderAreDroppedByCause();
  BadReceiversHarmThemselvesAlone();
  MultiSlotPacketsStayWhole();
  OrderIsKeptWhenFloodAndUnicastMix();
  TxRingsMapToRxRings();
  TheSwitchHoldsWhatItSays();
  WhatWasReleasedStaysReleased();
  ARingThatIsServedAsksForNoKicks();
  ALeavingPortIsForgotten();
  SmallerBuffersTakeMorePieces();
}
