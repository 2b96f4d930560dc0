// VALE between guests with and without a virtio-net header: with one on both ends a packet passes untouched, else what
// its sender has left to others is done on the way; a header that lies is counted where it came from.
#include <algorithm>

#include "vale_net.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

AttachOptions With(uint8_t vnet_hdr_len) { return {.policy = Policy::kInline, .vnet_hdr_len = vnet_hdr_len}; }

/// Stations 1, 2, ... with a header of so many bytes each, all of them known to the switch.
struct VnetNet : Net {
  explicit VnetNet(const std::vector<uint8_t>& vnet_hdr_lens, uint32_t mtu = 0, uint32_t slots = 256)
      : lens(vnet_hdr_lens) {
    PortShape shape{"", 1, 1, slots, slots, 0, mtu};
    for (uint8_t len : lens) Add(shape, 2048, false).guest.Attach(engine, *stations.back()->port, With(len));
    for (uint8_t i = 0; i < lens.size(); i++) Learn(i);
  }
  void Learn(uint8_t from) {
    const Bytes hello = Frame(0xff, static_cast<uint8_t>(from + 1));
    stations[from]->Send(lens[from] > 0 ? WithHeader({}, hello, lens[from]) : hello);
    for (auto& station : stations)
      while (!station->Nothing()) station->Take();
  }
  /// From one of the first stations to another: the switch has to look behind the header.
  void Send(uint8_t from, const Bytes& packet, uint32_t frags = 1) { stations[from]->Send(packet, frags); }
  /// Sends all at once; whether they arrive as they are.
  bool PassesAll(uint8_t from, uint8_t to, const std::vector<Bytes>& packets, uint32_t frags = 1) {
    PutAll(from, packets, frags);
    return TakeAll(to) == packets;
  }
  void PutAll(uint8_t from, const std::vector<Bytes>& packets, uint32_t frags = 1) {
    for (const Bytes& packet : packets)
      CHECK(stations[from]->guest.tx().Put(packet.data(), static_cast<uint32_t>(packet.size()), frags));
    stations[from]->Serve();
  }
  std::vector<Bytes> TakeAll(uint8_t at) {
    std::vector<Bytes> packets;
    while (!stations[at]->Nothing()) packets.push_back(stations[at]->Take());
    return packets;
  }

  std::vector<uint8_t> lens;
};

using Packets = std::vector<Bytes>;

/// From station 1 to station 2, as FrameSpec has it.
FrameSpec Spec(bool tcp, uint32_t payload, int version = 4) {
  FrameSpec spec;
  spec.version = version, spec.tcp = tcp;
  spec.payload = Bytes(payload);
  for (uint32_t i = 0; i < payload; i++) spec.payload[i] = static_cast<uint8_t>(i * 7 + (i >> 8));
  return spec;
}

void TheSameHeaderPassesUntouched() {
  for (uint8_t len : {uint8_t{10}, uint8_t{12}}) {
    VnetNet net({len, len, len});
    // What has no meaning without flags and gso_type too.
    VirtioNetHdr empty;
    memset(&empty, 0xee, sizeof empty);
    empty.flags = 0, empty.gso_type = VIRTIO_NET_HDR_GSO_NONE, empty.hdr_len = 0;
    Packets packets;
    for (uint32_t size : {14u, 60u, 116u, 117u, 200u, 1514u})
      packets.push_back(WithHeader(empty, Frame(2, 1, size), len));
    for (uint32_t payload : {0u, 6u, 458u, 459u, 1400u}) {
      const FrameSpec spec = Spec(true, payload);
      packets.push_back(WithHeader(spec.Header(), spec.Build(false), len));
    }
    const FrameSpec two = Spec(true, 1500);
    packets.push_back(WithHeader(two.Header(1000), two.Build(false), len));
    for (const Bytes& packet : packets) {
      for (uint32_t count : {1u, 3u, 40u}) CHECK(net.PassesAll(0, 1, Packets(count, packet)));
      // The first piece has to hold the addresses.
      if (packet.size() >= 100) CHECK(net.PassesAll(0, 1, {packet}, 3));
    }
    CHECK(net.PassesAll(0, 1, packets));
    CHECK(net[2].Nothing());
    // 64 KiB and headers, in a chain.
    const FrameSpec spec = Spec(true, 65000);
    const Bytes large = WithHeader(spec.Header(1448), spec.Build(false), len);
    net.Send(0, large, 32);
    uint32_t slots = 0;
    CHECK(net[1].Take(0, &slots) == large);
    CHECK_EQ(slots, 32u);
    CHECK_EQ(net[0].tx_drops(Drop::kBadVnet), 0u);
    // Too short for the addresses behind the header.
    net.Send(0, Bytes(len + 13u, 0));
    CHECK_EQ(net[0].tx_drops(Drop::kBadLen), 1u);
    CHECK(net[1].Nothing() && net[2].Nothing());
  }
}

void HeadersAreAddedAndTakenAway() {
  VnetNet net({12, 0, 10, 0});
  const Bytes frame = Frame(0xff, 1), answer = Frame(1, 2), other = Frame(3, 2);
  net.Send(0, WithHeader({}, frame));
  CHECK(net.TakeAll(1) == Packets{frame} && net.TakeAll(3) == Packets{frame});
  CHECK(net.TakeAll(2) == Packets{WithHeader({}, frame, 10)});
  net.Send(1, answer);
  CHECK(net.TakeAll(0) == Packets{WithHeader({}, answer)});
  net.Send(1, other);
  CHECK(net.TakeAll(2) == Packets{WithHeader({}, other, 10)});
  CHECK(net[3].Nothing());
  // The header in a slot of its own; the addresses are in the next one.
  GuestRing& tx = net[0].guest.tx();
  const Bytes unicast = Frame(2, 1, 200);
  CHECK(tx.Put(Bytes(12, 0).data(), 12) && tx.Put(unicast.data(), 200));
  tx.slot(tx.Prev(tx.Prev(tx.head))).flags = NS_MOREFRAG;
  net[0].Serve();
  CHECK(net.TakeAll(1) == Packets{unicast});
  CHECK(net[3].Nothing());
  // A frame that fills its buffer takes another slot with a header.
  const Bytes full = Frame(1, 2, 2048);
  net.Send(1, full);
  uint32_t slots = 0;
  CHECK(net[0].Take(0, &slots) == WithHeader({}, full));
  CHECK_EQ(slots, 2u);
}

void WhatIsMissingIsDoneOnTheWay() {
  for (int version : {4, 6}) {
    for (bool tcp : {true, false}) {
      VnetNet net({12, 0, 12});
      const FrameSpec small = Spec(tcp, 500, version), large = Spec(tcp, 64000, version);
      net.Send(0, WithHeader(small.Header(), small.Build(false)));
      CHECK(net.TakeAll(1) == Packets{small.Build(true)});
      const Bytes packet = WithHeader(large.Header(1400), large.Build(false));
      net.Send(0, packet, 40);
      CHECK(net.TakeAll(1) == large.Segments(1400));
      CHECK(net[2].Nothing());
      // To everybody: each gets it as he can take it.
      Bytes flood = packet, want;
      memset(flood.data() + 12, 0xff, 6);
      net.Send(0, flood, 40);
      Packets segments = large.Segments(1400);
      for (Bytes& segment : segments) memset(segment.data(), 0xff, 6);
      CHECK(net.TakeAll(1) == segments);
      CHECK(net.TakeAll(2) == Packets{flood});
    }
  }
}

void SegmentsFitTheReceiversMtu() {
  VnetNet net({12, 0}, 1500);
  const FrameSpec tcp = Spec(true, 9000), udp = Spec(false, 9000);
  net.Send(0, WithHeader(tcp.Header(8960), tcp.Build(false)), 5);
  CHECK(net.TakeAll(1) == tcp.Segments(1460));
  net.Send(0, WithHeader(udp.Header(1473), udp.Build(false)), 5);
  CHECK(net[1].Nothing());
  CHECK_EQ(net[1].rx_drops(Drop::kTooLong), 1u);
  net.Send(0, WithHeader(udp.Header(1472), udp.Build(false)), 5);
  CHECK(net.TakeAll(1) == udp.Segments(1472));
}

/// What there is no room for is counted, segment by segment; what was delivered is whole.
void AFullReceiverGetsTheFirstSegments() {
  VnetNet net({12, 0}, 0, 16);
  const FrameSpec spec = Spec(true, 20000);
  net.Send(0, WithHeader(spec.Header(1000), spec.Build(false)), 10);
  Packets want = spec.Segments(1000);
  want.resize(15);
  CHECK(net.TakeAll(1) == want);
  CHECK_EQ(net[1].rx_drops(Drop::kFull), 5u);
}

void LiesAreCountedWhereTheyComeFrom() {
  VnetNet net({12, 0, 0, 12});
  const FrameSpec spec = Spec(true, 3000);
  VirtioNetHdr lie = spec.Header(1000);
  lie.gso_size = 0;
  const Bytes good = WithHeader(spec.Header(1000), spec.Build(false)), bad = WithHeader(lie, spec.Build(false));
  for (const Bytes& packet : {bad, good, bad})
    CHECK(net[0].guest.tx().Put(packet.data(), static_cast<uint32_t>(packet.size()), 2));
  net[0].Serve();
  CHECK(net.TakeAll(1) == spec.Segments(1000));
  CHECK_EQ(net[0].tx_drops(Drop::kBadVnet), 2u);
  // Once for each that would have got it.
  Bytes flood = bad;
  memset(flood.data() + 12, 0xff, 6);
  net.Send(0, flood, 2);
  CHECK_EQ(net[0].tx_drops(Drop::kBadVnet), 5u);
  CHECK(net[1].Nothing() && net[2].Nothing() && net[3].Nothing());
  for (int i = 1; i < 4; i++)
    for (uint64_t drops : net[static_cast<size_t>(i)].rx().drops) CHECK_EQ(drops, 0u);
}

/// Headers that lie, each in one field, of a TCP packet with so much payload.
std::vector<VirtioNetHdr> LiesOf(const FrameSpec& spec) {
  const VirtioNetHdr sum = spec.Header(), gso = spec.Header(100);
  std::vector<VirtioNetHdr> lies;
  auto lie = [&](VirtioNetHdr h, auto change) {
    change(h);
    lies.push_back(h);
  };
  lie({}, [](VirtioNetHdr& h) { h.flags = 4; });
  lie({}, [](VirtioNetHdr& h) { h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4; });
  lie({}, [&](VirtioNetHdr& h) { h.hdr_len = static_cast<uint16_t>(spec.Build(false).size() + 1); });
  lie(sum, [](VirtioNetHdr& h) { h.flags |= 0x80; });
  lie(sum, [](VirtioNetHdr& h) { h.csum_start = 13; });
  lie(sum, [](VirtioNetHdr& h) { h.csum_start += 2; });
  lie(sum, [](VirtioNetHdr& h) { h.csum_start = 0xffff; });
  lie(sum, [](VirtioNetHdr& h) { h.csum_offset = 6; });
  lie(sum, [](VirtioNetHdr& h) { h.csum_offset = 0xfffe; });
  lie(gso, [](VirtioNetHdr& h) { h.flags = 0; });
  lie(gso, [](VirtioNetHdr& h) { h.gso_size = 0; });
  lie(gso, [](VirtioNetHdr& h) { h.gso_type = VIRTIO_NET_HDR_GSO_UDP; });
  lie(gso, [](VirtioNetHdr& h) { h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6; });
  lie(gso, [](VirtioNetHdr& h) { h.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4; });
  lie(gso, [](VirtioNetHdr& h) { h.gso_type = 0x40; });
  return lies;
}

/// With a header on both ends, the same or not: alone, in a few, in a run, in pieces, between others that are good.
void NobodyIsLiedTo() {
  const FrameSpec spec = Spec(true, 1000);
  for (auto [from, to] : {std::pair{uint8_t{12}, uint8_t{12}}, {10, 10}, {12, 10}, {10, 12}}) {
    VnetNet net({from, to, to});
    uint64_t counted = 0;
    for (const VirtioNetHdr& header : LiesOf(spec)) {
      const Bytes lie = WithHeader(header, spec.Build(false), from);
      for (uint32_t frags : {1u, 2u, 3u})
        for (uint32_t count : {1u, 3u, 40u}) {
          net.PutAll(0, Packets(count, lie), frags);
          CHECK(net[1].Nothing());
          CHECK_EQ(net[0].tx_drops(Drop::kBadVnet), counted += count);
        }
      auto good = [](uint8_t len) { return [len](uint32_t i) { return WithHeader({}, Frame(2, 1, 60, i), len); }; };
      Packets sent, want;
      for (uint32_t i = 0; i < 100; i++) {
        if (i % 30 == 7 || i == 99) sent.push_back(lie);
        sent.push_back(good(from)(i)), want.push_back(good(to)(i));
      }
      net.PutAll(0, sent);
      CHECK(net.TakeAll(1) == want);
      CHECK_EQ(net[0].tx_drops(Drop::kBadVnet), counted += 5);
    }
    CHECK(net[2].Nothing());
    for (uint64_t drops : net[1].rx().drops) CHECK_EQ(drops, 0u);
  }
}

/// A driver may come again with another header than the one before it.
void TheHeaderIsThatOfTheAttachment() {
  VnetNet net({12, 0});
  net[1].guest.Detach();
  net[1].guest.Attach(net.engine, *net[1].port, With(12));
  const Bytes packet = WithHeader(Spec(true, 100).Header(), Frame(2, 1));
  net.Send(0, packet);
  CHECK(net.TakeAll(1) == Packets{packet});
  net[0].guest.Detach();
  net[0].guest.Attach(net.engine, *net[0].port, With(0));
  net.Send(0, Frame(2, 1));
  CHECK(net.TakeAll(1) == Packets{WithHeader({}, Frame(2, 1))});
}

/// Anything that a sender with a header may send, to receivers of every kind; what arrives is whole.
void AnythingIsSafe(Random& random) {
  VnetNet net({12, 0, 10, 12}, 1500, 128);
  for (int run = 0; run < 3000; run++) {
    FrameSpec spec = AnyFrame(random, random.Below(random.OneIn(8) ? 64000 : 900));
    Bytes packet =
        WithHeader(spec.Header(static_cast<uint16_t>(random.OneIn(2) ? 0 : random.Below(1600))), spec.Build(false));
    packet[12 + 5] = static_cast<uint8_t>(2 + random.Below(3));
    for (uint32_t n = random.Below(4); n > 0; n--)
      packet[random.Below(std::min(random.OneIn(2) ? 12u : 60u, static_cast<uint32_t>(packet.size())))] ^=
          static_cast<uint8_t>(1 << random.Below(8));
    const auto least = static_cast<uint32_t>(packet.size()) / 2000 + 1;
    const uint64_t lies = net[0].tx_drops(Drop::kBadVnet);
    net.Send(0, packet, std::min(least + random.Below(20), 64u));
    const bool lied = net[0].tx_drops(Drop::kBadVnet) > lies;
    Bytes shorter = packet;
    shorter.erase(shorter.begin() + 10, shorter.begin() + 12);
    for (uint8_t at = 1; at < 4; at++) {
      const Packets got = net.TakeAll(at);
      for (const Bytes& p : got) CHECK(p.size() >= 14u + net.lens[at]);
      if (lied) CHECK(got.empty());
      if (net.lens[at] == 12) CHECK(got.empty() || got == Packets{packet});
      if (net.lens[at] == 10) CHECK(got.empty() || got == Packets{shorter});
    }
    net[0].Take();
  }
}

}  // namespace

int main() {
  Random random("vnet_vale_test");
  TheSameHeaderPassesUntouched();
  HeadersAreAddedAndTakenAway();
  WhatIsMissingIsDoneOnTheWay();
  SegmentsFitTheReceiversMtu();
  AFullReceiverGetsTheFirstSegments();
  LiesAreCountedWhereTheyComeFrom();
  NobodyIsLiedTo();
  TheHeaderIsThatOfTheAttachment();
  AnythingIsSafe(random);
}
