// Pipes: slots pass at their index without a copy, whole packets only, a full pipe holds the sender back, replaced
// buffers come back, and nothing is lost or seen twice when the ends come and go.
#include "forward/pipe.h"

#include <algorithm>
#include <deque>
#include <set>

#include "pipe_fixture.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

using Fixture = PipeFixture;

void SlotsAppearAtTheirIndexUncopied() {
  Fixture f;
  for (uint32_t seq = 0; seq < 500; seq++) {
    uint32_t at = f.a.tx().head, len = 60 + seq;
    CHECK_EQ(f.b.rx().head, at);
    f.Put(seq, len);
    f.a.tx().slot(at).flags |= guest::NS_REPORT | guest::NS_NO_LEARN;
    f.Send();
    guest::netmap_slot &from = f.a.tx().slot(at), &to = f.b.rx().slot(at);
    CHECK_EQ(to.buf_idx, from.buf_idx);
    CHECK_EQ(to.len, len);
    CHECK_EQ(to.flags, 0u);
    CHECK(f.b.rx().data(at) == f.a.tx().data(at));
    CHECK_EQ(f.b.rx().Mine(), 1u);
    f.Expect(seq, len);
    f.Release();
  }
  CHECK_EQ(f.tx().packets, 500u);
  CHECK_EQ(f.rx().packets, 500u);
  CHECK_EQ(f.tx().bytes, f.rx().bytes);
  CHECK_EQ(f.rx().bytes, 500u * 60 + 499 * 500 / 2);
}

void PacketsPassWhole() {
  Fixture f;
  f.Put(0);
  f.Put(1);
  f.a.tx().LastPut().flags = guest::NS_MOREFRAG;
  f.Send();
  CHECK_EQ(f.b.rx().Mine(), 1u);
  f.Expect(0);
  f.Release();
  CHECK(!f.a.tx().Drained());
  CHECK_EQ(f.a.tx().Pending(), 1u);
  CHECK(f.a.tx().HostWantsKick());
  f.Put(2);
  f.Send();
  CHECK_EQ(f.b.rx().Mine(), 2u);
  CHECK_EQ(f.b.rx().slot(1).flags, static_cast<uint16_t>(guest::NS_MOREFRAG));
  CHECK_EQ(f.b.rx().Take().size(), 120u);
  CHECK_EQ(f.rx().packets, 2u);
}

void AFullPipeHoldsTheSender() {
  Fixture f;
  uint64_t sent = 0, seen = 0;
  for (int round = 0; round < 100; round++) {
    while (f.a.tx().Put(Probe(sent).data(), 60)) sent++;
    f.Send();
    CHECK_EQ(sent - seen, 63u);
    CHECK_EQ(f.a.tx().Mine(), 0u);
    uint32_t take = 1 + static_cast<uint32_t>(round) % 63;
    for (uint32_t i = 0; i < take; i++) f.Expect(seen++);
    CHECK_EQ(f.a.tx().Mine(), 0u);
    f.Release();
    CHECK_EQ(f.a.tx().Mine(), take);
  }
  CHECK_EQ(f.tx().packets, sent);
}

void ABadSlotParksTheSender() {
  struct Case {
    Drop cause;
    guest::netmap_slot slot;
  };
  for (auto [cause, bad] : {Case{Drop::kBadBuf, {1, 60, 0, 0}},
                            {Drop::kBadBuf, {8192, 60, 0, 0}},
                            {Drop::kBadLen, {2, 2049, 0, 0}},
                            {Drop::kBadFlags, {2, 60, guest::NS_INDIRECT, 0x41414141}}}) {
    Fixture f;
    f.Put(0);
    f.Put(1);
    const guest::netmap_slot good = f.a.tx().LastPut();
    f.a.tx().LastPut() = bad;
    f.Put(2);
    f.Send();
    CHECK_EQ(f.drops(cause), 1u);
    CHECK_EQ(f.b.rx().Mine(), 1u);
    CHECK(f.a.tx().HostWantsKick());
    f.Expect(0);
    f.Release();  // a kick of the receiver counts as one
    f.Sync();
    CHECK_EQ(f.drops(cause), 3u);
    f.a.tx().slot(1) = good;
    f.Sync();
    f.Expect(1);
    f.Expect(2);
    CHECK_EQ(f.drops(cause), 3u);
  }
}

void TooManyFragmentsParkTheSender() {
  Fixture f({"p{1", 1, 1, 256, 256, 0});
  f.Put(0, 64 * 32, 64);
  f.Put(1, 65 * 32, 65);
  f.Send();
  CHECK_EQ(f.b.rx().Mine(), 64u);
  CHECK_EQ(f.drops(Drop::kBadFrags), 1u);
}

void BadIndicesParkEitherEnd() {
  Fixture f;
  f.Put(0);
  f.Send();
  for (uint32_t head : {2u, 63u, 64u, UINT32_MAX}) {  // the receiver owns slot 0 alone
    uint64_t before = f.rx().bad_index;
    f.b.rx().WriteHead(head);
    f.b.Sync(f.b.rx());
    CHECK_EQ(f.rx().bad_index, before + 1);
    CHECK(f.b.rx().HostWantsKick());
    f.Put(0);  // the other direction of state still moves
    f.Send();
    f.b.rx().head = f.a.tx().Prev(f.a.tx().head);
  }
  f.b.rx().head = 0;
  f.Expect(0);
  f.Release();
  CHECK_EQ(f.a.tx().Mine(), 63u - 4);
}

void ReplacedBuffersReturnToTheSender() {
  Fixture f({"p{1", 1, 1, 64, 64, 1});
  auto* nifp = reinterpret_cast<guest::netmap_if*>(f.region->base() + f.pair->slave().nifp_ofs());
  uint32_t spare = nifp->bufs_head;
  f.Put(0);
  f.Send();
  uint32_t original = f.b.rx().slot(0).buf_idx;
  f.Expect(0);
  f.b.rx().slot(0).buf_idx = spare;
  f.b.rx().slot(0).flags = guest::NS_BUF_CHANGED;
  f.Release();
  CHECK_EQ(f.a.tx().slot(0).buf_idx, spare);
  CHECK(f.a.tx().slot(0).flags & guest::NS_BUF_CHANGED);
  CHECK(f.b.rx().slot(0).buf_idx == spare && !(f.b.rx().slot(0).flags & guest::NS_BUF_CHANGED));
  // Without the flag a replacement is not one.
  f.Put(1);
  f.Send();
  f.Expect(1);
  f.b.rx().slot(1).buf_idx = original;
  f.Release();
  CHECK(f.a.tx().slot(1).buf_idx != original);
  // The sender may replace too; its flag stops with us.
  f.Put(2);
  f.a.tx().LastPut().buf_idx = original;
  f.a.tx().LastPut().flags = guest::NS_BUF_CHANGED;
  memcpy(f.region->Buf(original), Probe(2).data(), 60);
  f.Send();
  CHECK_EQ(f.b.rx().slot(2).buf_idx, original);
  CHECK_EQ(f.b.rx().slot(2).flags, 0u);
  CHECK_EQ(f.a.tx().slot(2).flags, 0u);
  f.Expect(2);
}

void ABadReplacementIsIgnored() {
  Fixture f;
  uint32_t original = f.a.tx().slot(0).buf_idx;
  for (uint32_t bad : {0u, 1u, 8192u, UINT32_MAX}) {
    uint32_t at = f.a.tx().head;
    original = f.a.tx().slot(at).buf_idx;
    f.Put(bad);
    f.Send();
    f.Expect(bad);
    f.b.rx().slot(at).buf_idx = bad;
    f.b.rx().slot(at).flags = guest::NS_BUF_CHANGED;
    f.Release();
    CHECK_EQ(f.a.tx().slot(at).buf_idx, original);
  }
  CHECK_EQ(f.rx().drops[static_cast<int>(Drop::kBadBuf)], 4u);
  CHECK_EQ(f.a.tx().Mine(), 63u);
}

void WhatWasReleasedStaysReleased() {
  Fixture f;
  for (uint64_t seq = 0; seq < 10; seq++) f.Put(seq);
  f.Send();
  for (uint64_t seq = 0; seq < 4; seq++) f.Expect(seq);
  f.b.rx().Publish();
  f.b.Detach();  // nobody has served the pipe in between
  CHECK_EQ(f.a.tx().Mine(), 63u - 6);
  f.AttachB();
  CHECK_EQ(f.b.rx().Mine(), 6u);
  f.Expect(4);
}

void TheLastPacketsOfALeavingSenderPass() {
  Fixture f;
  for (uint64_t seq = 0; seq < 10; seq++) f.Put(seq);
  f.a.tx().Publish();
  f.Put(10);  // not published
  f.a.Detach();
  for (uint64_t seq = 0; seq < 10; seq++) f.Expect(seq);
  CHECK_EQ(f.b.rx().Mine(), 0u);
  f.b.Detach();
  f.AttachA();
  f.AttachB();
  CHECK_EQ(f.b.rx().Mine(), 10u);  // taken, but never given back
}

/// One direction of a pipe, as it should be: the packets that are in it, and how many of them the receiver has taken
/// but not given back.
struct Lane {
  Port *sender_port, *receiver_port;
  Guest *sender, *receiver;
  uint32_t ring;
  std::vector<uint32_t> spares;  // the receiver's, to replace buffers with
  std::deque<std::vector<uint8_t>> inside;
  size_t taken = 0;
  uint64_t seq = 0;

  GuestRing& tx() { return sender->tx(ring); }
  GuestRing& rx() { return receiver->rx(ring); }

  void Send(Random& random) {
    for (uint32_t n = random.Below(8); n > 0; n--) {
      uint32_t frags = random.OneIn(3) ? 1 + random.Below(6) : 1, len = 32 + random.Below(frags * 300);
      auto packet = Probe(seq, len, static_cast<uint16_t>(ring));
      if (!tx().Put(packet.data(), len, frags)) break;
      inside.push_back(packet);
      seq++;
    }
    tx().Publish();
  }
  /// The receiver takes some packets, replaces some buffers, and gives everything it has taken back.
  void Receive(Random& random) {
    for (uint32_t n = random.Below(12); n > 0 && taken < inside.size(); n--) {
      uint32_t first = rx().head;
      auto packet = rx().Take();
      CHECK(packet == inside[taken]);
      taken++;
      for (uint32_t i = first; i != rx().head; i = rx().Next(i)) {
        if (!random.OneIn(4)) continue;
        std::swap(rx().slot(i).buf_idx, spares[random.Below(static_cast<uint32_t>(spares.size()))]);
        rx().slot(i).flags |= guest::NS_BUF_CHANGED;
      }
    }
    rx().Publish();
    for (; taken > 0; taken--) inside.pop_front();
  }
  /// Takes without giving back: after the receiver has come back these packets are there again.
  void Peek(Random& random) {
    if (sender->attachment) sender->Sync(tx());
    for (uint32_t n = random.Below(4); n > 0 && taken < inside.size(); n--) CHECK(rx().Take() == inside[taken++]);
  }
  /// Every buffer is in one slot of the sender's ring, or spare.
  void CheckBuffers(const std::set<uint32_t>& all) {
    std::set<uint32_t> seen(spares.begin(), spares.end());
    for (uint32_t i = 0; i < sender_port->tx(ring).num_slots; i++) seen.insert(sender_port->tx(ring).slots[i].buf_idx);
    CHECK(seen == all);
  }
};

void RandomSequences() {
  Random random("pipe");
  for (int run = 0; run < 30; run++) {
    Fixture f({"p{1", 1 + random.Below(3), 1 + random.Below(3), 8 + random.Below(60), 8 + random.Below(120), 0});
    Port* ports[] = {&f.pair->master(), &f.pair->slave()};
    Guest* guests[] = {&f.a, &f.b};
    std::vector<Lane> lanes;
    std::vector<std::set<uint32_t>> buffers;
    for (int from : {0, 1}) {
      for (uint32_t r = 0; r < ports[from]->shape().tx_rings; r++) {
        Lane lane{ports[from], ports[1 - from], guests[from], guests[1 - from], r, {}, {}};
        for (int i = 0; i < 4; i++) lane.spares.push_back(f.region->AllocBuf(f.region->NewHolder()));
        std::set<uint32_t> all(lane.spares.begin(), lane.spares.end());
        for (uint32_t i = 0; i < ports[from]->tx(r).num_slots; i++) all.insert(ports[from]->tx(r).slots[i].buf_idx);
        lanes.push_back(std::move(lane));
        buffers.push_back(std::move(all));
      }
    }
    for (int step = 0; step < 400; step++) {
      Lane& lane = lanes[random.Below(static_cast<uint32_t>(lanes.size()))];
      int end = static_cast<int>(random.Below(2));
      switch (random.Below(10)) {
        case 0:  // an end leaves or comes back, with whatever is outstanding
          if (guests[end]->attachment) {
            guests[end]->Detach();
            for (Lane& l : lanes) l.taken = l.receiver == guests[end] ? 0 : l.taken;
          } else {
            guests[end]->Attach(f.engine, *ports[end]);
          }
          break;
        case 1:
          if (lane.receiver->attachment) lane.Peek(random);
          break;
        case 2:
        case 3:
        case 4:
          if (lane.sender->attachment) lane.Send(random);
          break;
        case 5:
        case 6:
          // Only what has been served is there to be received.
          if (lane.sender->attachment) lane.sender->Sync(lane.tx());
          if (lane.receiver->attachment) lane.Receive(random);
          break;
        default:
          if (lane.sender->attachment) lane.sender->Sync(lane.tx());
          if (lane.receiver->attachment) lane.receiver->Sync(lane.rx());
      }
    }
    for (int end : {0, 1})
      if (!guests[end]->attachment) guests[end]->Attach(f.engine, *ports[end]);
    for (size_t i = 0; i < lanes.size(); i++) {
      Lane& lane = lanes[i];
      lane.sender->Sync(lane.tx());
      while (!lane.inside.empty()) lane.Receive(random);
      CHECK_EQ(lane.rx().Mine(), 0u);
      lane.receiver->Sync(lane.rx());
      CHECK_EQ(lane.tx().Mine(), lane.tx().num_slots - 1);
      CHECK_EQ(lane.receiver_port->rx(lane.ring).counters->packets, lane.seq);
      lane.CheckBuffers(buffers[i]);
    }
  }
}

}  // namespace

int main() {
  SlotsAppearAtTheirIndexUncopied();
  PacketsPassWhole();
  AFullPipeHoldsTheSender();
  ABadSlotParksTheSender();
  TooManyFragmentsParkTheSender();
  BadIndicesParkEitherEnd();
  ReplacedBuffersReturnToTheSender();
  ABadReplacementIsIgnored();
  WhatWasReleasedStaysReleased();
  TheLastPacketsOfALeavingSenderPass();
  RandomSequences();
}
