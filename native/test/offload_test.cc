// What a virtio-net header asks for: each protocol is recognised, and a header that lies in any field is found out.
#include "packet/offload.h"

#include <algorithm>
#include <memory>

#include "check.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

using Work = Offload::Work;

Drop Check(const VirtioNetHdr& header, const Bytes& frame, Offload* out, uint32_t mtu = 0) {
  // Of exactly that size, so that a byte too many is seen.
  const uint32_t have = std::min(static_cast<uint32_t>(frame.size()), kHeadMax);
  const auto head = std::make_unique<uint8_t[]>(have);
  std::copy_n(frame.begin(), have, head.get());
  return CheckOffload(header, head.get(), have, static_cast<uint32_t>(frame.size()), mtu, out);
}

bool Lies(const VirtioNetHdr& header, const Bytes& frame) {
  Offload o;
  const Drop cause = Check(header, frame, &o);
  CHECK(cause == Drop::kCount || cause == Drop::kBadVnet);
  return cause == Drop::kBadVnet;
}

FrameSpec Frame(int version, bool tcp, uint32_t payload = 3000) {
  FrameSpec spec;
  spec.version = version, spec.tcp = tcp;
  spec.payload = Bytes(payload, 0x5a);
  return spec;
}

void HeadersAreFound(Random& random) {
  for (int run = 0; run < 500; run++) {
    const FrameSpec spec = AnyFrame(random, random.Below(3000));
    const Bytes frame = spec.Build(false);
    const FrameHeaders h = ParseFrame(frame.data(), std::min(static_cast<uint32_t>(frame.size()), kHeadMax));
    CHECK_EQ(h.l3, spec.l3());
    CHECK_EQ(h.l4, spec.l4());
    CHECK_EQ(h.payload, spec.payload_at());
    CHECK_EQ(h.version, spec.version);
    CHECK_EQ(h.protocol, spec.tcp ? 6 : 17);
    CHECK(!h.fragment);
    CHECK_EQ(h.routed, spec.version == 4 && !spec.options.empty());
    // Cut anywhere, nothing is found that is not there.
    for (uint32_t have = 0; have < spec.payload_at(); have++) {
      const auto head = std::make_unique<uint8_t[]>(have);
      std::copy_n(frame.begin(), have, head.get());
      const FrameHeaders cut = ParseFrame(head.get(), have);
      CHECK(cut.payload == 0 && cut.l4 <= have && cut.l3 <= have);
    }
  }
}

void OddFramesAreNamedForWhatTheyAre() {
  FrameSpec spec = Frame(4, false);
  for (uint16_t bits : {0x2000, 0x0001}) {
    spec.fragment_bits = bits;
    const Bytes frame = spec.Build(false);
    const FrameHeaders h = ParseFrame(frame.data(), kHeadMax);
    CHECK(h.fragment && h.payload == 0);
    CHECK(Lies(spec.Header(), frame));
  }
  spec = Frame(6, false);
  spec.options = {44, 1};
  CHECK(ParseFrame(spec.Build(false).data(), kHeadMax).fragment);
  CHECK(Lies(spec.Header(), spec.Build(false)));
  spec.options = {43, 3};
  CHECK(ParseFrame(spec.Build(false).data(), kHeadMax).routed);
  // No IP: version and EtherType differ, a header length that is none, another EtherType, no EtherType.
  for (auto [at, value] : {std::pair{14u, 0x65}, {14u, 0x44}, {13u, 0x06}}) {
    Bytes frame = Frame(4, true).Build(false);
    frame[at] = static_cast<uint8_t>(value);
    CHECK_EQ(ParseFrame(frame.data(), kHeadMax).version, 0);
  }
  Bytes frame = Frame(4, true).Build(false);
  frame[34 + 12] = 0x40;  // a TCP header of 16 bytes
  CHECK_EQ(ParseFrame(frame.data(), kHeadMax).payload, 0u);
  CHECK(Lies(Frame(4, true).Header(1000), frame));
}

void WhatIsAskedForIsFound() {
  Offload o;
  for (int version : {4, 6}) {
    for (bool tcp : {true, false}) {
      const FrameSpec spec = Frame(version, tcp);
      const Bytes frame = spec.Build(false);
      VirtioNetHdr h{};
      CHECK(Check(h, frame, &o) == Drop::kCount && o.work == Work::kNone);
      h.flags = VIRTIO_NET_HDR_F_DATA_VALID;
      CHECK(Check(h, frame, &o) == Drop::kCount && o.work == Work::kNone);
      h = spec.Header();
      CHECK(Check(h, frame, &o) == Drop::kCount && o.work == Work::kChecksum);
      CHECK_EQ(o.csum_start, spec.l4());
      CHECK_EQ(o.csum_field, spec.checksum_at());
      h = spec.Header(1000);
      CHECK(Check(h, frame, &o) == Drop::kCount && o.work == Work::kSegment);
      CHECK_EQ(o.mss, 1000u);
      h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
      CHECK(Lies(h, frame) == !tcp);
      // What fits one segment needs no cutting.
      h = spec.Header(3000);
      CHECK(Check(h, frame, &o) == Drop::kCount && o.work == Work::kChecksum);
      h = spec.Header(2999);
      CHECK(Check(h, frame, &o) == Drop::kCount && o.work == Work::kSegment);
    }
  }
}

void TheReceiversMtuIsKept() {
  Offload o;
  for (int version : {4, 6}) {
    const uint32_t ip = version == 4 ? 20 : 40;
    const FrameSpec tcp = Frame(version, true), udp = Frame(version, false);
    CHECK(Check(tcp.Header(2000), tcp.Build(false), &o, 1500) == Drop::kCount);
    CHECK_EQ(o.mss, 1500 - ip - 20);
    CHECK(Check(tcp.Header(5000), tcp.Build(false), &o, 1500) == Drop::kCount && o.work == Work::kSegment);
    CHECK(Check(tcp.Header(5000), tcp.Build(false), &o, 3000 + ip + 20) == Drop::kCount);
    CHECK(o.work == Work::kChecksum);
    CHECK(Check(tcp.Header(2000), tcp.Build(false), &o, ip + 20) == Drop::kTooLong);
    const auto fits = static_cast<uint16_t>(1500 - ip - 8);
    CHECK(Check(udp.Header(fits), udp.Build(false), &o, 1500) == Drop::kCount);
    CHECK_EQ(o.mss, fits);
    CHECK(Check(udp.Header(fits + 1), udp.Build(false), &o, 1500) == Drop::kTooLong);
  }
}

/// One that is longer than any packet of IP can be cut, but not when its length is in an option that segments must not
/// have.
void LongerThanAnyPacket() {
  Offload o;
  for (int version : {4, 6}) {
    FrameSpec tcp = Frame(version, true);
    tcp.payload = Bytes(100'000, 3);
    CHECK(Check(tcp.Header(1400), tcp.Build(false), &o, 1500) == Drop::kCount && o.work == Work::kSegment);
    if (version == 4) continue;
    tcp.options = {0, 1};  // hop by hop
    CHECK(Check(tcp.Header(1400), tcp.Build(false), &o, 1500) == Drop::kTooLong);
    CHECK(Check(tcp.Header(1400), tcp.Build(false), &o, 0) == Drop::kCount && o.work == Work::kSegment);
    tcp.payload = Bytes(3000, 3);
    CHECK(Check(tcp.Header(1400), tcp.Build(false), &o, 1500) == Drop::kCount && o.work == Work::kSegment);
  }
}

void EveryLieIsFound() {
  for (int version : {4, 6}) {
    for (bool tcp : {true, false}) {
      const FrameSpec spec = Frame(version, tcp);
      const Bytes frame = spec.Build(false);
      const VirtioNetHdr sum = spec.Header(), gso = spec.Header(1000);
      auto lies = [&](VirtioNetHdr h, auto change) {
        change(h);
        return Lies(h, frame);
      };
      CHECK(!Lies(sum, frame) && !Lies(gso, frame));
      for (int bit = 2; bit < 8; bit++)
        CHECK(lies(sum, [&](VirtioNetHdr& h) { h.flags |= static_cast<uint8_t>(1 << bit); }));
      CHECK(lies(sum, [&](VirtioNetHdr& h) { h.hdr_len = static_cast<uint16_t>(frame.size() + 1); }));
      CHECK(!lies(sum, [&](VirtioNetHdr& h) { h.hdr_len = static_cast<uint16_t>(frame.size()); }));
      CHECK(lies(gso, [&](VirtioNetHdr& h) { h.flags = 0; }));
      CHECK(lies(gso, [&](VirtioNetHdr& h) { h.gso_size = 0; }));
      CHECK(lies(gso, [&](VirtioNetHdr& h) { h.gso_size = 2; }));  // 1500 segments
      for (int type = 1; type < 256; type++)
        CHECK_EQ(lies(gso, [&](VirtioNetHdr& h) { h.gso_type = static_cast<uint8_t>(type); }),
                 !(type == gso.gso_type || (tcp && type == (gso.gso_type | VIRTIO_NET_HDR_GSO_ECN))));
      for (uint32_t start = 0; start <= UINT16_MAX; start += start < 700 ? 1 : 997) {
        auto move = [&](VirtioNetHdr& h) { h.csum_start = static_cast<uint16_t>(start); };
        const bool in_tunnel = !tcp && start >= spec.l4() + 8 && start + 8 <= kHeadMax;
        CHECK_EQ(lies(sum, move), start != spec.l4() && !in_tunnel);
        CHECK_EQ(lies(gso, move), start != spec.l4());
      }
      for (uint32_t offset = 0; offset <= UINT16_MAX; offset += offset < 700 ? 1 : 997) {
        auto move = [&](VirtioNetHdr& h) { h.csum_offset = static_cast<uint16_t>(offset); };
        CHECK_EQ(lies(sum, move), offset != sum.csum_offset);
      }
    }
  }
  // An IP packet of more than 65535 bytes there is none.
  const FrameSpec large = Frame(4, true, 70000);
  CHECK(Lies(large.Header(65500), large.Build(false)));
  CHECK(!Lies(large.Header(65495), large.Build(false)));
}

/// Of other frames only the limits of the packet are known.
void SumsOfWhatIsNotKnown() {
  Bytes frame(100, 0);
  VirtioNetHdr h{};
  h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  for (h.csum_start = 0; h.csum_start < 120; h.csum_start++)
    for (h.csum_offset = 0; h.csum_offset < 120; h.csum_offset++)
      CHECK_EQ(Lies(h, frame), h.csum_start < 14 || h.csum_offset % 2 != 0 || h.csum_start + h.csum_offset + 2 > 100);
  // GRE: a packet in a packet.
  frame = Frame(4, true).Build(false);
  frame[23] = 47;
  h = Frame(4, true).Header();
  h.csum_start = 34 + 4 + 20;
  CHECK(!Lies(h, frame));
  h.csum_start = 30;
  CHECK(Lies(h, frame));
}

/// Anything at all: never more than kSegmentsMax segments, never a field outside the packet.
void AnyHeaderIsSafe(Random& random) {
  for (int run = 0; run < 50'000; run++) {
    Bytes frame = AnyFrame(random, random.Below(600)).Build(false);
    if (random.OneIn(3)) frame[random.Below(static_cast<uint32_t>(frame.size()))] ^= 1 << random.Below(8);
    if (random.OneIn(5)) frame.resize(14 + random.Below(static_cast<uint32_t>(frame.size()) - 14));
    VirtioNetHdr h;
    const Bytes noise = RandomBytes(random, sizeof h);
    memcpy(&h, noise.data(), sizeof h);
    if (random.OneIn(2)) h.flags = 1, h.csum_start = static_cast<uint16_t>(random.Below(80)), h.csum_offset = 16;
    if (random.OneIn(2)) h.gso_type &= 5;
    if (random.OneIn(2)) h.hdr_len = 0;
    Offload o;
    if (Check(h, frame, &o, random.Below(2000)) != Drop::kCount || o.work == Work::kNone) continue;
    CHECK(o.csum_start >= 14 && o.csum_start <= o.csum_field && o.csum_field + 2 <= frame.size());
    if (o.work != Work::kSegment) continue;
    CHECK(o.mss > 0 && o.at.payload + o.mss < frame.size() && frame.size() <= o.at.payload + kSegmentsMax * o.mss);
  }
}

}  // namespace

int main() {
  Random random("offload_test");
  HeadersAreFound(random);
  OddFramesAreNamedForWhatTheyAre();
  WhatIsAskedForIsFound();
  TheReceiversMtuIsKept();
  LongerThanAnyPacket();
  EveryLieIsFound();
  SumsOfWhatIsNotKnown();
  AnyHeaderIsSafe(random);
}
