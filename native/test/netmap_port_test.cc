// An interface of the host as a port: frames of every length arrive whole both ways, a ring without room loses nothing
// that the socket holds, and what is large is cut or passed on.
#include <netinet/in.h>

#include <algorithm>

#include "netmap_rig.h"
#include "offsets_frames.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// Every length from 14 bytes on, then any, in up to 64 slots.
void EveryFrameArrives(Random& random, NetifAccess access, uint32_t mtu, uint32_t any_frames) {
  MakeVeth(std::to_string(mtu));
  {
    Rig rig({"netmap:near", 1, 1, 256, 256, 0}, By(access));
    rig.Attach();
    PacketSocket far("far");
    const uint32_t longest = mtu + 18, lengths = (longest - 14) / kLengthStep + 1, frames = lengths + any_frames;
    for (uint32_t i = 0; i < frames; i++) {
      const uint32_t any = random.OneIn(4) ? 14 + random.Below(longest - 13) : 14 + random.Below(200);
      const uint32_t len = i < lengths ? 14 + i * kLengthStep : any;
      // A veth lets a frame with one tag be 4 bytes longer, and no other.
      const uint32_t tags = len >= 14 + 4 * 2 && len <= mtu + 14 ? random.Below(3) : 0;
      const uint32_t tagged = len > mtu + 14 ? 1 : tags;
      Bytes frame = TestFrame(len, i, tagged);
      // IPv4, IPv6, ARP, MPLS, a length, and one of nobody's; what follows is none of these.
      constexpr uint16_t kProtocols[] = {0x0800, 0x86dd, 0x0806, 0x8847, 0x0100, 0x88b5};
      Set16(frame, 12 + 4 * tagged, kProtocols[random.Below(std::size(kProtocols))]);
      const uint32_t least = len / 2048 + 2;  // the last piece takes what the others leave
      const uint32_t frags = len < 2048 && random.OneIn(2) ? 1 : least + random.Below(random.OneIn(8) ? 64 - least : 2);
      CHECK(rig.Send(frame, std::min(len, frags)));
      if (far.Receive() != frame)
        Fail(__FILE__, __LINE__, "sent: frame " + std::to_string(i) + " of " + std::to_string(len));
      CHECK(far.Send(frame));
      if (rig.Await() != frame)
        Fail(__FILE__, __LINE__, "come: frame " + std::to_string(i) + " of " + std::to_string(len));
    }
    CHECK_EQ(rig.port->tx(0).counters->packets, frames);
    CHECK_EQ(rig.port->rx(0).counters->packets, frames);
    const InterfaceFacts facts = rig.port->device().facts();
    CHECK(std::string(facts.access) == (access == NetifAccess::kXdp ? "af_xdp copy" : "af_packet"));
    CHECK_EQ(facts.lost_full + facts.lost_too_large + facts.refused, 0u);
  }
  RemoveVeth();
}

void AFullRingLeavesFramesInTheSocket() {
  Rig rig({"netmap:near", 1, 1, 64, 8, 0});
  rig.Attach();
  PacketSocket far("far");
  for (uint32_t i = 0; i < 300; i++) CHECK(far.Send(TestFrame(60 + i, i)));
  for (uint32_t i = 0; i < 300; i++) CHECK(rig.Await() == TestFrame(60 + i, i));
  CHECK(rig.Take().empty());
}

void WhatIsWrongIsCounted() {
  Rig rig;
  rig.Attach();
  PacketSocket far("far");
  CHECK(rig.Send(Bytes(13, 1)));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 1u);
  CHECK(rig.Send(TestFrame(1523, 1)));  // more than the mtu and two tags
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 2u);
  CHECK(rig.Send(TestFrame(63 * 2048, 1), 63));
  CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 3u);
  // A bad slot of the receiver holds up its ring, and loses nothing.
  const uint32_t at = rig.guest.rx().head, mine = rig.guest.rx().slot(at).buf_idx;
  rig.guest.rx().slot(at).buf_idx = UINT32_MAX;
  CHECK(far.Send(TestFrame(60, 1)) && far.Send(TestFrame(60, 2)));
  Eventually("the bad slot", [&] {
    rig.guest.Sync(rig.guest.rx());
    return rig.drops(rig.port->rx(0), Drop::kBadBuf) == 1;
  });
  CHECK_EQ(rig.guest.rx().Mine(), 0u);
  rig.guest.rx().slot(at).buf_idx = mine;
  CHECK(rig.Await() == TestFrame(60, 1) && rig.Await() == TestFrame(60, 2));
}

/// Both ways, and cut into the room that is left behind the greatest offset.
void PacketsAreWhereSlotsSay(Random& random, NetifAccess access) {
  Rig rig({"netmap:near", 1, 1, 64, 64, 0}, By(access));
  Offsets(*rig.engine, *rig.port, {.max = 1000, .bits = 16, .initial = 900});
  rig.Attach();
  PacketSocket far("far");
  FramesWithOffsets(random, rig.guest, far);
}

/// TCP of 30,000 bytes that is to be cut.
FrameSpec LargeTcp() {
  FrameSpec spec;
  spec.payload.resize(30'000);
  for (size_t i = 0; i < spec.payload.size(); i++) spec.payload[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  return spec;
}

/// All bytes of a stream come, however the kernel has cut it: in segments of 1400, whole, or in pieces of several.
void CheckSegments(const FrameSpec& spec, const std::function<Bytes()>& next) {
  Bytes got;
  while (got.size() < spec.payload.size()) {
    const Bytes frame = next();
    CHECK(frame.size() > spec.payload_at());
    got.insert(got.end(), frame.begin() + spec.payload_at(), frame.end());
  }
  CHECK(got == spec.payload);
}

/// A guest with a header leaves the cutting to the interface, and gets what others have left to theirs whole.
void LargePacketsPassWithAHeader() {
  for (const uint8_t header : {uint8_t{10}, uint8_t{12}}) {
    Rig rig;
    rig.Attach({.policy = Policy::kInline, .vnet_hdr_len = header});
    PacketSocket far("far");
    const FrameSpec spec = LargeTcp();
    Bytes packet = WithHeader(spec.Header(1400), spec.Build(false));
    packet.erase(packet.begin() + header, packet.begin() + 12);
    CHECK(rig.Send(packet, 16));
    CheckSegments(spec, [&] { return far.Receive(); });
    // A lie is dropped, not sent.
    packet[1] = 0x40;
    CHECK(rig.Send(packet, 16));
    CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadVnet), 1u);
    // Nothing asked for: longer than the interface takes.
    CHECK(rig.Send(WithHeader({}, TestFrame(1600, 1)), 2));
    CHECK_EQ(rig.drops(rig.port->tx(0), Drop::kBadLen), 1u);
    packet = WithHeader({}, TestFrame(500, 1));
    packet.erase(packet.begin() + header, packet.begin() + 12);
    CHECK(rig.Send(packet));
    CHECK(far.Receive() == TestFrame(500, 1));
    CHECK(far.Send(TestFrame(500, 2)));
    Bytes empty(header, 0);
    const Bytes frame = TestFrame(500, 2);
    empty.insert(empty.end(), frame.begin(), frame.end());
    CHECK(rig.Await() == empty);
  }
}

/// The far kernel sends datagrams that its interface is to cut and to sum up.
void SendLargeUdp(uint32_t bytes, int segment) {
  const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
  CHECK(setsockopt(udp, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &segment, sizeof segment) == 0);
  const Bytes payload(bytes, 0x5a);
  CHECK(sendto(udp, payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to) > 0);
  close(udp);
}

uint32_t Sum(const Bytes& frame) {
  // The pseudo-header and the datagram: 0xffff when its checksum is right.
  Bytes summed(frame.begin() + 26, frame.begin() + 34);
  Append16(summed, 17);
  Append16(summed, static_cast<uint32_t>(frame.size()) - 34);
  summed.insert(summed.end(), frame.begin() + 34, frame.end());
  return NaiveSum(summed, 0);
}

/// A guest without a header gets frames that are whole, as they would be on the wire.
void WhatTheKernelLeavesUndoneIsDone() {
  Run("ip addr add 192.0.2.1/24 dev far && ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev far");
  {
    Rig rig({"netmap:near", 1, 1, 64, 128, 0});
    rig.Attach();
    SendLargeUdp(10'500, 1000);
    for (uint32_t i = 0; i < 11; i++) {
      const Bytes frame = rig.Await();
      CHECK_EQ(frame.size(), 42u + (i < 10 ? 1000 : 500));
      CHECK_EQ(Sum(frame), 0xffffu);
    }
    CHECK(rig.Take().empty());
  }
  {
    Rig rig;
    rig.Attach({.policy = Policy::kInline, .vnet_hdr_len = 12});
    SendLargeUdp(10'500, 1000);
    const Bytes packet = rig.Await();
    CHECK_EQ(packet.size(), 12u + 42 + 10'500);
    const VirtioNetHdr header = VirtioNetHdr::Load(packet.data());
    CHECK_EQ(header.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
    CHECK_EQ(header.gso_size, 1000u);
    CHECK(header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
  }
  Run("ip addr del 192.0.2.1/24 dev far");
}

/// AF_XDP knows no header: what a guest asks for is done before its frames go out.
void ByXdpAHeaderIsServedHere() {
  Rig rig({"netmap:near", 1, 1, 64, 64, 0}, By(NetifAccess::kXdp));
  rig.Attach({.policy = Policy::kInline, .vnet_hdr_len = 12});
  PacketSocket far("far");
  FrameSpec spec = LargeTcp();
  CHECK(rig.Send(WithHeader(spec.Header(1400), spec.Build(false)), 16));
  for (const Bytes& segment : spec.Segments(1400)) CHECK(far.Receive() == segment);
  CHECK_EQ(rig.port->tx(0).counters->packets, 1u);
}

void SeveralQueues(NetifAccess access, uint32_t queues) {
  Rig rig({"netmap:near", queues, queues, 64, 64, 0}, By(access));
  rig.Attach();
  PacketSocket far("far");
  for (uint32_t ring = 0; ring < queues; ring++) {
    CHECK(rig.Send(TestFrame(100, ring), 1, ring));
    CHECK(far.Receive() == TestFrame(100, ring));
    CHECK_EQ(rig.port->tx(ring).counters->packets, 1u);
  }
  // The kernel chooses the queue: each frame comes by one of them, and what is sent comes by none.
  for (uint32_t i = 0; i < 50; i++) {
    CHECK(far.Send(TestFrame(60 + i, i)));
    uint32_t got = 0;
    Eventually("a frame", [&] {
      for (uint32_t ring = 0; ring < queues; ring++) got += rig.Take(ring) == TestFrame(60 + i, i);
      return got > 0;
    });
    CHECK_EQ(got, 1u);
  }
  for (uint32_t ring = 0; ring < queues; ring++) CHECK(rig.Take(ring).empty());
}

/// The kernel takes no more frames: they stay in the ring, none is lost, and nobody spins.
void WhatTheKernelHasNoRoomForStays() {
  NetifOptions options;
  options.slots = 16;
  Rig rig({"netmap:near", 1, 1, 256, 64, 0}, options);
  rig.guest.Attach(rig.engine, *rig.port, Served(Policy::kNotify));
  rig.guest.EnableInterrupts();
  PacketSocket far("far");
  Random random("netmap_port_test room");
  for (uint32_t round = 0; round < 20; round++) {
    for (uint32_t i = 0; i < 200; i++) CHECK(rig.guest.tx().Put(TestFrame(1400, i).data(), 1400));
    rig.guest.tx().Publish();
    for (uint32_t i = 0; i < 200; i++) CHECK(far.Receive() == TestFrame(1400, i));
    Drain(rig.guest.tx());
  }
}

/// A worker that parks and is woken by the socket, down and up in between.
void NothingIsLostUnderTraffic(Random& random, NetifAccess access) {
  for (Policy policy : kPolicies) {
    Rig rig({"netmap:near", 1, 1, 32, 16, 0}, By(access));
    rig.Attach(Served(policy));
    rig.guest.EnableInterrupts();
    PacketSocket far("far");
    constexpr uint32_t kFrames = 4000, kWindow = 200;
    std::atomic<uint32_t> received{0};
    std::thread sender([&, r = random.Split()]() mutable {
      for (uint32_t i = 0; i < kFrames; i++) {
        while (i - received.load() >= kWindow) usleep(100);
        CHECK(far.Send(TestFrame(60 + i % 1400, i)));
        MaybeNap(r);
      }
    });
    std::thread from_guest([&, r = random.Split()]() mutable {
      for (uint32_t i = 0; i < kFrames; i++) {
        if (rig.guest.tx().Mine() == 0) rig.guest.tx().Publish(), rig.guest.tx().Await();
        CHECK(rig.guest.tx().Put(TestFrame(60 + i % 1400, i).data(), 60 + i % 1400));
        if (r.OneIn(7)) rig.guest.tx().Publish(), MaybeNap(r);
      }
      rig.guest.tx().Publish();
    });
    for (uint32_t i = 0; i < kFrames;) {
      rig.guest.rx().Await();
      const Bytes frame = rig.guest.rx().Take();
      rig.guest.rx().Publish();
      CHECK(frame == TestFrame(60 + i % 1400, i));
      received = ++i;
    }
    sender.join();
    for (uint32_t i = 0; i < kFrames; i++) CHECK(far.Receive() == TestFrame(60 + i % 1400, i));
    from_guest.join();
  }
}

}  // namespace

int main() {
  Random random("netmap_port_test");
  may_use_xdp = geteuid() == 0;
  LeaveTheMachine();
  MakeVeth();
  WhatIsWrongIsCounted();
  AFullRingLeavesFramesInTheSocket();
  LargePacketsPassWithAHeader();
  WhatTheKernelLeavesUndoneIsDone();
  if (may_use_xdp) ByXdpAHeaderIsServedHere();
  PacketsAreWhereSlotsSay(random, NetifAccess::kAuto);
  if (may_use_xdp) PacketsAreWhereSlotsSay(random, NetifAccess::kXdp);
  SeveralQueues(NetifAccess::kAuto, 4);
  WhatTheKernelHasNoRoomForStays();
  NothingIsLostUnderTraffic(random, NetifAccess::kAuto);
  if (may_use_xdp) NothingIsLostUnderTraffic(random, NetifAccess::kXdp);
  RemoveVeth();
  MakeVeth("1500", "2");
  if (may_use_xdp) SeveralQueues(NetifAccess::kXdp, 2);
  RemoveVeth();
  EveryFrameArrives(random, NetifAccess::kAuto, 9000, kFramesOfAnyKind);
  if (may_use_xdp) EveryFrameArrives(random, NetifAccess::kXdp, 3498, kFramesOfAnyKind / 5);
}
