// Null, echo and pipe ports whose guests have a virtio-net header: it is skipped, added or passed on, and of a pipe
// both ends have to have the same.
#include <errno.h>

#include "forward/echo.h"
#include "pipe_fixture.h"
#include "traffic.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

AttachOptions With(uint8_t vnet_hdr_len) { return {.policy = Policy::kInline, .vnet_hdr_len = vnet_hdr_len}; }

VirtioNetHdr Asking() {
  VirtioNetHdr header{};
  header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, header.csum_start = 34, header.csum_offset = 16;
  return header;
}

void TheSinkLooksBehindTheHeader() {
  auto engine = MakeEngine();
  NullRig rig(engine, 64, With(12));
  for (uint32_t frags : {1u, 2u, 5u}) {
    for (int i = 0; i < 3; i++) {
      const Bytes packet = WithHeader(Asking(), Probe(rig.tx().packets + static_cast<uint32_t>(i), 600));
      CHECK(rig.guest.tx().Put(packet.data(), static_cast<uint32_t>(packet.size()), frags));
    }
    rig.guest.tx().Publish();
    rig.guest.Sync(rig.guest.tx());
  }
  rig.CheckSink(9);
  // Shorter than the header: no packet of ours.
  CHECK(rig.guest.tx().Put(Bytes(40, 0).data(), 40, 4));
  rig.guest.tx().Publish();
  rig.guest.Sync(rig.guest.tx());
  CHECK_EQ(rig.tx().corrupt, 1u);
}

/// Reads what the source sends to a guest with a header of so many bytes.
void ReceiveSome(Guest& guest, Receiver& receiver, uint32_t packets, uint32_t vnet_hdr_len, uint32_t size) {
  GuestRing& rx = guest.rx();
  for (uint32_t n = 0; n < packets; n++) {
    if (rx.Mine() == 0) {
      rx.Publish();
      guest.Sync(rx);
    }
    Bytes packet = rx.Take();
    CHECK_EQ(packet.size(), vnet_hdr_len + size);
    CHECK(std::all_of(packet.begin(), packet.begin() + vnet_hdr_len, [](uint8_t b) { return b == 0; }));
    packet.erase(packet.begin(), packet.begin() + vnet_hdr_len);
    receiver.packets++;
    receiver.tracker.Check<guest::Payload::kFull>(packet.data(), size);
  }
}

/// Full packets of every size, also those that the header makes too long for a slot; the header may be another one, or
/// none, after the next attachment.
void TheSourcePutsAHeaderFirst() {
  auto engine = MakeEngine();
  for (uint32_t size : {60u, 1514u, 2036u, 2037u, 2048u, 5000u}) {
    SourceConfig source{.packets = SourceConfig::kUnlimited, .size = size, .payload = Payload::kFull};
    NullRig rig(engine, 16, With(12), source);
    for (uint8_t len : {12, 10, 0, 12}) {
      Receiver receiver;
      rig.guest.Detach();
      // What was on its way has the header of then.
      rig.port->rx(0).hwcur = rig.port->rx(0).hwtail;
      rig.port->source(0).Configure(source);
      const uint64_t before = rig.rx().bytes, packets_before = rig.rx().packets;
      rig.guest.Attach(engine, *rig.port, With(len));
      ReceiveSome(rig.guest, receiver, 60, len, size);
      receiver.CheckClean();
      CHECK_EQ(rig.rx().bytes - before, (rig.rx().packets - packets_before) * (len + size));
    }
  }
}

void AnEchoKeepsTheHeader() {
  auto engine = MakeEngine();
  std::shared_ptr<EchoPort> port;
  CHECK_OK(EchoPort::Create(MakeRegion(), MakeStats(), {"echo:t", 1, 1, 64, 64, 0}, &port));
  Guest guest;
  guest.Attach(engine, *port, With(12));
  Bytes frame = Probe(0, 200, 0, 7, 9);
  for (uint32_t frags : {1u, 4u}) {
    const Bytes packet = WithHeader(Asking(), frame);
    CHECK(guest.tx().Put(packet.data(), static_cast<uint32_t>(packet.size()), frags));
    guest.tx().Publish();
    guest.Sync(guest.tx());
    Bytes want = WithHeader(Asking(), Probe(0, 200, 0, 9, 7));
    CHECK(guest.rx().Take() == want);
  }
  CHECK(guest.tx().Put(Bytes(23, 0).data(), 23));
  guest.tx().Publish();
  guest.Sync(guest.tx());
  CHECK_EQ(port->tx(0).counters->drops[static_cast<int>(Drop::kBadLen)], 1u);
}

void BothEndsOfAPipeHaveTheSame() {
  PipeFixture f;
  f.b.Detach();
  const Status refused = f.b.TryAttach(f.engine, f.pair->slave(), With(12));
  CHECK_EQ(refused.err, EINVAL);
  CHECK(refused.message ==
        "p}1: virtio-net header: one of 12 bytes here, none at p{1: the same at both ends would be right");
  f.a.Detach();
  f.b.Attach(f.engine, f.pair->slave(), With(12));
  CHECK_EQ(f.a.TryAttach(f.engine, f.pair->master(), With(10)).err, EINVAL);
  f.a.Attach(f.engine, f.pair->master(), With(12));
  const Bytes packet = WithHeader(Asking(), Probe(0, 200));
  CHECK(f.a.tx().Put(packet.data(), static_cast<uint32_t>(packet.size())));
  f.Send();
  CHECK(f.b.rx().Take() == packet);
  // Who is alone may have what it likes.
  f.a.Detach();
  f.b.Detach();
  f.a.Attach(f.engine, f.pair->master(), With(0));
}

/// What one guest has left in its ring is not shown to another with another header, and its slots are not lost.
void WhatLiesInAPipeIsNotForAnotherHeader() {
  PipeFixture f;
  f.a.Detach(), f.b.Detach();
  for (uint8_t length : {0, 12, 10, 0}) {
    f.a.Attach(f.engine, f.pair->master(), With(length));
    f.b.Attach(f.engine, f.pair->slave(), With(length));
    CHECK_EQ(f.b.rx().Mine(), 0u);
    for (uint32_t i = 0; i < f.a.tx().num_slots - 1; i++) CHECK(f.a.tx().Put(Bytes(60, length)));
    f.a.tx().Publish();
    f.a.Sync(f.a.tx());
    CHECK_EQ(f.b.rx().Mine(), f.b.rx().num_slots - 1);
    CHECK(f.b.rx().Take() == Bytes(60, length));
    f.a.Detach(), f.b.Detach();
  }
}

}  // namespace

int main() {
  WhatLiesInAPipeIsNotForAnotherHeader();
  TheSinkLooksBehindTheHeader();
  TheSourcePutsAHeaderFirst();
  AnEchoKeepsTheHeader();
  BothEndsOfAPipeHaveTheSame();
}
