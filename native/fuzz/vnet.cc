// Fuzzes virtio-net headers and the packets behind them: nothing outside a packet or a place is touched, and what is
// made is what was sent. What is right is read from the packet here a second time, and summed up word by word.
#include <algorithm>
#include <memory>
#include <vector>

#include "input.h"
#include "packet/vnet_packet.h"

namespace {

using namespace ptnet;
using namespace ptnet::fuzz;
using Bytes = std::vector<uint8_t>;

constexpr uint32_t kPacketMax = 70'000;
constexpr uint32_t kRealHeaders[] = {0, 10, 12, 12}, kWantedHeaders[] = {0, 0, 10, 12};

uint32_t Word(const Bytes& bytes, size_t at) {
  return bytes.at(at) * 256u + (at + 1 < bytes.size() ? bytes[at + 1] : 0);
}

/// RFC 1071: one big-endian word after the other.
uint32_t Sum(const Bytes& bytes, size_t from, size_t end, uint32_t sum = 0) {
  for (size_t i = from; i < end; i += 2) {
    sum += i + 1 < end ? Word(bytes, i) : bytes.at(i) * 256u;
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

/// The packet in pieces of their own, each of exactly its size.
struct Cut {
  std::vector<std::unique_ptr<uint8_t[]>> memory;
  std::vector<Frag> frags;
  Pieces pieces{};

  Cut(const Bytes& packet, uint32_t piece) {
    const auto len = static_cast<uint32_t>(packet.size());
    piece = std::max(piece == 0 ? len : piece, len / kMaxFrags + 1);
    for (uint32_t at = 0; at < len; at += piece) {
      const uint32_t n = std::min(piece, len - at);
      memory.push_back(std::make_unique<uint8_t[]>(n));
      memcpy(memory.back().get(), &packet[at], n);
      frags.push_back({memory.back().get(), n});
    }
    pieces = {frags.data(), static_cast<uint32_t>(frags.size()), len};
  }
  bool Shows(const Bytes& packet) const {
    size_t at = 0;
    for (const Frag& frag : frags) {
      if (memcmp(frag.data, &packet[at], frag.len) != 0) return false;
      at += frag.len;
    }
    return true;
  }
};

/// The next frame, from places of exactly its size.
Bytes MakeNext(VnetPacket& vnet, uint32_t buf_size) {
  const uint32_t len = vnet.NextLen();
  Require(len > 0);
  Places places{};
  places.buf_size = std::max(buf_size, len / kMaxFrags + 1);
  places.slots = (len + places.buf_size - 1) / places.buf_size;
  std::vector<std::unique_ptr<uint8_t[]>> memory;
  for (uint32_t s = 0; s < places.slots; s++) {
    memory.push_back(std::make_unique<uint8_t[]>(std::min(places.buf_size, len - s * places.buf_size)));
    places.bufs[s] = memory.back().get();
  }
  vnet.Make(places);
  Bytes frame;
  for (uint32_t s = 0; s < places.slots; s++)
    frame.insert(frame.end(), places.bufs[s], places.bufs[s] + std::min(places.buf_size, len - s * places.buf_size));
  return frame;
}

/// The sum from csum_start to the end is complete, and nothing else has changed.
void CheckSum(const Bytes& made, Bytes sent, const VirtioNetHdr& hdr) {
  const size_t at = size_t{hdr.csum_start} + hdr.csum_offset;
  const uint32_t checksum = Word(made, at), sum = Sum(sent, hdr.csum_start, sent.size());
  Require(checksum != 0 && (sum + checksum) % 0xffff == 0);
  sent.at(at) = made[at], sent.at(at + 1) = made[at + 1];
  Require(made == sent);
}

/// One of several segments: its lengths and sums are its own.
void CheckSegment(const Bytes& made, const VirtioNetHdr& hdr) {
  size_t l3 = 14;
  while (Word(made, l3 - 2) == 0x8100 || Word(made, l3 - 2) == 0x88a8) l3 += 4;
  const size_t l4 = hdr.csum_start;
  const bool udp = hdr.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4;
  const bool ip4 = made.at(l3) >> 4 == 4;
  if (ip4) {
    Require(Word(made, l3 + 2) == made.size() - l3);
    Require(Sum(made, l3, l4) == 0xffff);
  } else {
    Require(made[l3] >> 4 == 6 && Word(made, l3 + 4) == made.size() - l3 - 40);
  }
  if (udp) Require(Word(made, l4 + 4) == made.size() - l4);
  // Behind options it may be for another address than that in the header.
  const size_t addresses = l3 + (ip4 ? 12 : 8);
  if (l4 != l3 + (ip4 ? 20 : 40)) return;
  const auto length = static_cast<uint32_t>(made.size() - l4);
  const uint32_t pseudo = Sum(made, addresses, l4, (udp ? 17 : 6) + (length >> 16) + (length & 0xffff));
  Require(Sum(made, l4, made.size(), pseudo) == 0xffff);
}

/// Together they carry what was sent, in its order, all but the last of them as much as each other.
void CheckSegments(const std::vector<Bytes>& made, const Bytes& sent, const VirtioNetHdr& hdr) {
  const size_t l4 = hdr.csum_start;
  const size_t head = hdr.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 ? l4 + 8 : l4 + sent.at(l4 + 12) / 16 * 4u;
  Bytes payload;
  for (const Bytes& frame : made) {
    Require(frame.size() > head && frame.size() <= made[0].size() && frame.size() - head <= hdr.gso_size);
    Require(&frame == &made.back() || frame.size() == made[0].size());
    CheckSegment(frame, hdr);
    payload.insert(payload.end(), frame.begin() + static_cast<long>(head), frame.end());
  }
  Require(std::equal(payload.begin(), payload.end(), sent.begin() + static_cast<long>(head), sent.end()));
}

void Check(const std::vector<Bytes>& made, const Bytes& packet, uint32_t from, uint32_t to) {
  VirtioNetHdr hdr{};
  memcpy(&hdr, packet.data(), from);
  const Bytes frame(packet.begin() + from, packet.end());
  if (to > 0) {
    Bytes with(to);
    memcpy(with.data(), &hdr, to);
    with.insert(with.end(), frame.begin(), frame.end());
    Require(made.size() == 1 && made[0] == with);
  } else if (made.size() > 1) {
    Require((hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE);
    CheckSegments(made, frame, hdr);
  } else if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
    CheckSum(made.at(0), frame, hdr);
  } else {
    Require(hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE && made.at(0) == frame);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Executions executions("packets");
  Input input{data, size};
  const uint8_t headers = input.Byte(), mtus = input.Byte(), buffers = input.Byte(), pieces = input.Byte();
  const uint32_t from = kRealHeaders[headers & 3], to = kWantedHeaders[headers >> 2 & 3];
  const uint32_t mtu = mtus < 128 ? 0 : 40 + 70 * (mtus - 128), buf_size = 64 + 16 * buffers;
  const uint32_t more = input.Take<uint16_t>();
  Bytes packet(input.data, input.data + input.left);
  // A payload need not lie in the input.
  for (uint32_t i = 0; i < more && packet.size() < kPacketMax; i++)
    packet.push_back(static_cast<uint8_t>(i * 13 + (i >> 8)));
  const Cut cut(packet, 7 * pieces);
  VnetPacket vnet;
  executions.Add();
  const Drop cause = vnet.Open(cut.pieces, from, to, mtu);
  Require(cause == Drop::kCount || cause == Drop::kBadVnet || cause == Drop::kBadLen || cause == Drop::kTooLong);
  Require((cause == Drop::kBadLen) == (packet.size() < from + kEthernetLen));
  if (cause != Drop::kCount) {
    Require(vnet.CountLeft() == 0 && vnet.NextLen() == 0);
    return 0;
  }
  std::vector<Bytes> made;
  for (uint32_t left = vnet.CountLeft(); left > 0; left--) {
    Require(left <= kSegmentsMax && vnet.CountLeft() == left);
    made.push_back(MakeNext(vnet, buf_size));
  }
  Require(vnet.CountLeft() == 0 && vnet.NextLen() == 0);
  Require(cut.Shows(packet));
  Check(made, packet, from, to);
  return 0;
}
