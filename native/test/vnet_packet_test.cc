// Packets between two who do not have the same virtio-net header: for every protocol what comes out is, to the byte,
// what a sender without offloads would have sent; cut anyhow, into buffers of any size.
#include "packet/vnet_packet.h"

#include <algorithm>
#include <memory>

#include "check.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// A packet in pieces, each of exactly its size, so that a byte too many is seen.
struct Cut {
  std::vector<std::unique_ptr<uint8_t[]>> buffers;
  std::vector<Frag> frags;
  Pieces pieces{};

  Cut(const Bytes& packet, const std::vector<uint32_t>& lengths) {
    for (uint32_t n : lengths) {
      buffers.push_back(std::make_unique<uint8_t[]>(n));
      std::copy_n(packet.begin() + pieces.len, n, buffers.back().get());
      frags.push_back({buffers.back().get(), n});
      pieces.len += n;
    }
    CHECK_EQ(pieces.len, packet.size());
    pieces.frags = frags.data();
    pieces.count = static_cast<uint32_t>(frags.size());
  }
};

std::vector<uint32_t> AnyCut(Random& random, size_t len) {
  std::vector<uint32_t> lengths;
  const uint32_t most = random.OneIn(3) ? 40 : 3000;
  for (auto left = static_cast<uint32_t>(len); left > 0;) {
    const uint32_t n = lengths.size() + 1 == kMaxFrags ? left : std::min(left, random.Below(most));
    lengths.push_back(n);
    left -= n;
  }
  return lengths;
}

/// Takes everything that is made of a packet.
std::vector<Bytes> MakeAll(VnetPacket& vnet, uint32_t buf_size) {
  std::vector<Bytes> frames;
  for (uint32_t left = vnet.CountLeft(); left > 0; left--) {
    CHECK_EQ(vnet.CountLeft(), left);
    const uint32_t len = vnet.NextLen();
    Places places{
        .slots = std::max(1u, (len + buf_size - 1) / buf_size), .buf_size = buf_size, .bufs = {}, .words = {}};
    CHECK(places.slots <= kMaxFrags);
    std::vector<std::unique_ptr<uint8_t[]>> buffers;
    Bytes frame;
    for (uint32_t s = 0; s < places.slots; s++) {
      buffers.push_back(std::make_unique<uint8_t[]>(std::min(buf_size, len - s * buf_size)));
      places.bufs[s] = buffers.back().get();
    }
    vnet.Make(places);
    for (uint32_t s = 0; s < places.slots; s++)
      frame.insert(frame.end(), places.bufs[s], places.bufs[s] + std::min(buf_size, len - s * buf_size));
    frames.push_back(std::move(frame));
  }
  CHECK_EQ(vnet.NextLen(), 0u);
  return frames;
}

std::vector<Bytes> Convert(const Cut& cut, uint32_t from, uint32_t to, uint32_t mtu = 0, uint32_t buf_size = 2048) {
  VnetPacket vnet;
  CHECK(vnet.Open(cut.pieces, from, to, mtu) == Drop::kCount);
  return MakeAll(vnet, buf_size);
}
std::vector<Bytes> Convert(const Bytes& packet, uint32_t from, uint32_t to, uint32_t mtu = 0) {
  return Convert(Cut(packet, {static_cast<uint32_t>(packet.size())}), from, to, mtu);
}

void HeadersComeAndGo() {
  const FrameSpec spec{.payload = Bytes(100, 7)};
  const Bytes frame = spec.Build(true);
  const std::vector<Bytes> alone = {frame};
  for (uint32_t h : {10u, 12u}) {
    CHECK(Convert(frame, 0, h) == std::vector<Bytes>{WithHeader({}, frame, h)});
    CHECK(Convert(WithHeader({}, frame, h), h, 0) == alone);
  }
  // Between two headers nothing is done but to look that they do not lie, and are as long as they should be.
  VirtioNetHdr asks = spec.Header(50);
  asks.num_buffers = 7;
  CHECK(Convert(WithHeader(asks, frame, 12), 12, 10) == std::vector<Bytes>{WithHeader(asks, frame, 10)});
  CHECK(Convert(WithHeader(asks, frame, 12), 12, 12) == std::vector<Bytes>{WithHeader(asks, frame, 12)});
  asks.num_buffers = 0;
  CHECK(Convert(WithHeader(asks, frame, 10), 10, 12) == std::vector<Bytes>{WithHeader(asks, frame, 12)});
  // The receiver's mtu is nothing to somebody who takes more.
  CHECK(Convert(WithHeader(asks, frame, 12), 12, 12, 60) == std::vector<Bytes>{WithHeader(asks, frame, 12)});
  // The header in a slot of its own.
  CHECK(Convert(Cut(WithHeader({}, frame), {12, static_cast<uint32_t>(frame.size())}), 12, 0) == alone);
  VnetPacket vnet;
  for (uint32_t len : {0u, 5u, 12u, 25u}) {
    CHECK(vnet.Open(Cut(Bytes(len, 0), {len}).pieces, 12, 0, 0) == Drop::kBadLen);
    CHECK_EQ(vnet.CountLeft(), 0u);
  }
  CHECK(Convert(Bytes(26, 0), 12, 0) == std::vector<Bytes>{Bytes(14, 0)});
}

void ChecksumsAreCompleted(Random& random) {
  for (int run = 0; run < 3000; run++) {
    const FrameSpec spec = AnyFrame(random, random.Below(2000));
    const Bytes packet = WithHeader(spec.Header(), spec.Build(false));
    Bytes want = spec.Build(true);
    // Where nobody cares, a sum of 0 is written as 0xffff.
    if (want[spec.checksum_at()] == 0 && want[spec.checksum_at() + 1] == 0) Set16(want, spec.checksum_at(), 0xffff);
    const Cut cut(packet, AnyCut(random, packet.size()));
    CHECK(Convert(cut, 12, 0, 0, 64 + random.Below(3000)) == std::vector<Bytes>{want});
  }
}

void SumsOfZero() {
  for (int version : {4, 6}) {
    FrameSpec spec{.version = version, .tcp = false, .payload = Bytes(4, 0)};
    // What the complete checksum is with 0 there, there, makes one of 0.
    const Bytes complete = spec.Build(true);
    std::copy_n(complete.begin() + spec.checksum_at(), 2, spec.payload.begin());
    const Bytes frame = Convert(WithHeader(spec.Header(), spec.Build(false)), 12, 0)[0];
    CHECK_EQ(frame[spec.checksum_at()] * 256 + frame[spec.checksum_at() + 1], 0xffff);
  }
}

/// A sum in the payload of a tunnel.
void TunnelsAreCompleted() {
  const FrameSpec inner{.payload = Bytes(333, 9)};
  FrameSpec outer{.tcp = false, .payload = Bytes(8, 0)};  // VXLAN
  auto with = [&](const Bytes& frame) {
    FrameSpec o = outer;
    o.payload.insert(o.payload.end(), frame.begin(), frame.end());
    Bytes whole = o.Build(false);
    Set16(whole, o.checksum_at(), 0);  // as most tunnels do over IPv4
    return whole;
  };
  VirtioNetHdr header = inner.Header();
  header.csum_start = static_cast<uint16_t>(outer.payload_at() + 8 + inner.l4());
  CHECK(Convert(WithHeader(header, with(inner.Build(false))), 12, 0) == std::vector<Bytes>{with(inner.Build(true))});
}

void SegmentsAreWhatASenderWithoutOffloadsSends(Random& random) {
  for (int run = 0; run < 1500; run++) {
    const uint32_t longest = random.OneIn(2) ? 65'000 : 100'000;
    const FrameSpec spec = AnyFrame(random, random.OneIn(4) ? longest : random.Below(9000));
    if (spec.payload.size() > 65'535 && spec.version == 6 && !spec.options.empty()) continue;
    const auto gso_size = static_cast<uint16_t>(100 + random.Below(random.OneIn(2) ? 1500 : 9000));
    const uint32_t headers = spec.payload_at() - spec.l3();
    uint32_t mss = gso_size, mtu = 0;
    if (spec.tcp && random.OneIn(2)) {
      mtu = headers + 100 + random.Below(3000);
      mss = std::min(mss, mtu - headers);
    }
    if (spec.payload.size() <= mss) continue;  // then only the checksum is missing
    VirtioNetHdr header = spec.Header(gso_size);
    if (spec.tcp && random.OneIn(2)) header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    const uint32_t h = random.OneIn(2) ? 10 : 12;
    const Bytes packet = WithHeader(header, spec.Build(false), h);
    const auto frames = Convert(Cut(packet, AnyCut(random, packet.size())), h, 0, mtu, 512 + random.Below(3000));
    CHECK(frames == spec.Segments(mss));
  }
}

/// A source route: the sum has the last destination, which only the sender's sum tells of.
void TheSumOfASourceRouteIsTheSenders() {
  const FrameSpec spec{
      .options = {0x83, 7, 4, 198, 51, 100, 9, 0}, .payload = Bytes(5000, 3), .final_destination = {198, 51, 100, 9}};
  CHECK(Convert(WithHeader(spec.Header(1000), spec.Build(false)), 12, 0) == spec.Segments(1000));
  // Without one a wrong sum in the packet does no harm.
  FrameSpec plain{.payload = Bytes(5000, 3)};
  Bytes packet = WithHeader(plain.Header(1000), plain.Build(false));
  Set16(packet, 12 + plain.checksum_at(), 0x1111);
  CHECK(Convert(packet, 12, 0) == plain.Segments(1000));
}

/// Headers, and how they are cut, that mean anything: memory is never left, and every packet that is made has the
/// length that it was said to have.
void AnythingIsSafe(Random& random) {
  for (int run = 0; run < 20'000; run++) {
    FrameSpec spec = AnyFrame(random, random.Below(random.OneIn(10) ? 70000 : 900));
    VirtioNetHdr header = spec.Header(static_cast<uint16_t>(random.OneIn(2) ? 0 : random.Below(700)));
    Bytes packet = WithHeader(header, spec.Build(false));
    for (uint32_t n = random.Below(4); n > 0; n--)
      packet[random.Below(random.OneIn(2) ? 12 : std::min<uint32_t>(packet.size(), 100))] ^=
          static_cast<uint8_t>(1 << random.Below(8));
    if (random.OneIn(10)) packet.resize(random.Below(static_cast<uint32_t>(packet.size())));
    const uint32_t lengths[] = {0, 10, 12};
    const Cut cut(packet, AnyCut(random, packet.size()));
    VnetPacket vnet;
    const uint32_t to = lengths[random.Below(3)];
    const Drop cause = vnet.Open(cut.pieces, lengths[random.Below(3)], to, random.OneIn(2) ? 0 : random.Below(2000));
    CHECK(cause == Drop::kCount || cause == Drop::kBadVnet || cause == Drop::kBadLen || cause == Drop::kTooLong);
    CHECK(vnet.CountLeft() <= kSegmentsMax);
    CHECK_EQ(vnet.CountLeft() == 0, cause != Drop::kCount);
    if (vnet.NextLen() / 1100 < kMaxFrags) MakeAll(vnet, 1100 + random.Below(1000));
  }
}

}  // namespace

int main() {
  Random random("vnet_packet_test");
  HeadersComeAndGo();
  ChecksumsAreCompleted(random);
  SumsOfZero();
  TunnelsAreCompleted();
  SegmentsAreWhatASenderWithoutOffloadsSends(random);
  TheSumOfASourceRouteIsTheSenders();
  AnythingIsSafe(random);
}
