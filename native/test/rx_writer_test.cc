// RxWriter on a ring whose guest moves meanwhile: room is what there was when it was opened, and what the guest has
// given back since; what does not fit is said, and nothing of it is shown.
#include "ring/rx_writer.h"

#include "forward/null_port.h"
#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint32_t kSlots = 8, kBuf = 256;

struct Ring {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<NullPort> port;
  Guest guest;
  Kring* k;
  std::vector<uint8_t> bytes = std::vector<uint8_t>(16 * kBuf);

  explicit Ring(uint32_t slots = kSlots) {
    CHECK_OK(NullPort::Create(MakeRegion(1, 1024, kBuf), MakeStats(), {"null:t", 1, 1, 16, slots, 0}, &port));
    guest.Attach(engine, *port);
    k = &port->rx(0);
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(i * 37 + (i >> 8));
  }
  GuestRing& rx() { return guest.rx(); }
  /// A packet of so many pieces of `len` bytes each.
  Drop Put(RxWriter& to, uint32_t pieces, uint32_t len = 100) {
    Frag frags[kMaxFrags];
    for (uint32_t f = 0; f < pieces; f++) frags[f] = {bytes.data() + f * len, len};
    return to.Put({frags, pieces, pieces * len});
  }
  /// What the guest shows: so many of its slots are given back.
  void Release(uint32_t slots) {
    rx().head = rx().Advance(rx().head, slots);
    rx().Show();
  }
  bool Got(uint32_t len) {
    const auto packet = rx().Take();
    return packet.size() == len && memcmp(packet.data(), bytes.data(), len) == 0;
  }
};

void RoomComesWhileItIsOpen() {
  Ring r;
  for (int round = 0; round < 20; round++) {
    RxWriter to(*r.k);
    CHECK(to.Open());
    CHECK_EQ(to.space(), kSlots - 1);
    for (uint32_t n = 0; n < kSlots - 1; n++) CHECK(r.Put(to, 1) == Drop::kCount);
    CHECK_EQ(to.space(), 0u);
    CHECK(r.Put(to, 1) == Drop::kFull);
    CHECK(to.Close());
    CHECK_EQ(r.rx().Mine(), kSlots - 1);
    RxWriter next(*r.k);
    CHECK(next.Open());
    CHECK(!next.Room(1));
    CHECK(r.Put(next, 1) == Drop::kFull);
    r.Release(3);
    CHECK(r.Put(next, 1) == Drop::kCount);
    CHECK_EQ(next.space(), 2u);
    CHECK_EQ(r.rx().Mine(), kSlots - 1 - 3);  // nobody has seen it yet
    CHECK(r.Put(next, 3) == Drop::kFull);
    CHECK(r.Put(next, 2) == Drop::kCount);
    CHECK_EQ(next.packets(), 2u);
    CHECK_EQ(next.bytes(), 300u);
    CHECK(next.Close());
    for (int i = 0; i < 4; i++) CHECK(r.Got(100));
    CHECK(r.Got(100) && r.Got(200) && r.rx().Mine() == 0);
    r.Release(0);
  }
  CHECK_EQ(r.k->counters->packets, 20u * (kSlots + 1));
  CHECK_EQ(r.k->counters->bytes, 20u * 100 * (kSlots + 2));
  CHECK_EQ(r.k->counters->syncs, 40u);
}

/// Indices that are wrong by then are no room, and counted.
void WrongIndicesAreNoRoom() {
  Ring r;
  RxWriter to(*r.k);
  CHECK(to.Open());
  while (r.Put(to, 1) == Drop::kCount) continue;
  r.rx().WriteHead(kSlots);
  CHECK(r.Put(to, 1) == Drop::kFull);
  CHECK_EQ(r.k->counters->bad_index, 1u);
  CHECK(r.k->blocked);
  CHECK(to.Close());
  RxWriter next(*r.k);
  CHECK(!next.Open());
  CHECK(!next.Close());
}

void WithNobodyThereItDoesNotOpen() {
  Ring r;
  r.guest.Detach();
  RxWriter to(*r.k);
  CHECK(!to.Open());
  CHECK(!to.Close());
}

void WhatNeverFitsIsSaid() {
  Ring r(128);
  RxWriter to(*r.k);
  CHECK(to.Open());
  CHECK(r.Put(to, kMaxFrags, 10) == Drop::kCount);
  Frag large{r.bytes.data(), 3000};
  CHECK_EQ(to.SlotsFor({&large, 1, 3000}), (3000u + kBuf - 1) / kBuf);
  CHECK(to.Put({&large, 1, 3000}) == Drop::kCount);
  std::vector<uint8_t> huge(kMaxFrags * kBuf + 1);
  large = {huge.data(), kMaxFrags * kBuf};
  CHECK_EQ(to.SlotsFor({&large, 1, large.len}), kMaxFrags);
  CHECK(to.Put({&large, 1, large.len}) == Drop::kFull);
  large.len++;
  CHECK(to.Put({&large, 1, large.len}) == Drop::kBadFrags);
  CHECK_EQ(to.packets(), 2u);
  Ring small(4);
  RxWriter few(*small.k);
  CHECK(few.Open());
  CHECK(small.Put(few, 4) == Drop::kBadFrags);
  CHECK(small.Put(few, 3) == Drop::kCount);
}

/// Of one slot, of several, and of a piece that is cut: where a slot shows no buffer nothing is written or shown.
void ABadBufferStopsThePacket() {
  for (const uint32_t pieces : {1u, 3u}) {
    for (const uint32_t len : {100u, kBuf + 1}) {
      for (uint32_t bad = 0; bad < (len > kBuf ? 2 : pieces); bad++) {
        Ring r(16);
        auto& slot = r.rx().slot(bad);
        const uint32_t mine = std::exchange(slot.buf_idx, 1);
        RxWriter to(*r.k);
        CHECK(to.Open());
        CHECK(r.Put(to, pieces, len) == Drop::kBadBuf);
        CHECK_EQ(to.packets(), 0u);
        CHECK_EQ(to.tail(), 0u);
        slot.buf_idx = mine;
        CHECK(r.Put(to, pieces, len) == Drop::kCount);
        CHECK(to.Close());
        CHECK(r.Got(pieces * len));
      }
    }
  }
}

/// The first slot of the last packet, whichever way it was put in.
void TheLastOneCanBeFound() {
  Ring r(64);
  RxWriter to(*r.k);
  CHECK(to.Open());
  for (const auto& [pieces, len, first] : {std::tuple{1u, 100u, 100u}, {3u, 90u, 90u}, {2u, kBuf + 9, kBuf}}) {
    const uint32_t at = to.tail();
    CHECK(r.Put(to, pieces, len) == Drop::kCount);
    CHECK(to.last().data == r.k->Buf(r.rx().slot(at).buf_idx));
    CHECK_EQ(to.last().len, first);
  }
}

}  // namespace

int main() {
  RoomComesWhileItIsOpen();
  WrongIndicesAreNoRoom();
  WithNobodyThereItDoesNotOpen();
  WhatNeverFitsIsSaid();
  ABadBufferStopsThePacket();
  TheLastOneCanBeFound();
}
