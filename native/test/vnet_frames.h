// Frames for the tests of offloads: of every protocol that they know, with a virtio-net header that asks for the rest,
// and as they have to be once nothing is left to ask for. Written byte by byte, on its own.
#pragma once

#include <vector>

#include "check.h"
#include "packet/vnet_hdr.h"

namespace ptnet::test {

using Bytes = std::vector<uint8_t>;

inline void Append16(Bytes& to, uint32_t v) {
  to.push_back(static_cast<uint8_t>(v >> 8)), to.push_back(static_cast<uint8_t>(v));
}
inline void Append32(Bytes& to, uint32_t v) { Append16(to, v >> 16), Append16(to, v & 0xffff); }
inline void Set16(Bytes& in, size_t at, uint32_t v) {
  in.at(at) = static_cast<uint8_t>(v >> 8), in.at(at + 1) = static_cast<uint8_t>(v);
}

/// The sum of big-endian words, as the RFC has it: one word after the other.
inline uint32_t NaiveSum(const Bytes& bytes, size_t from, uint32_t sum = 0) {
  for (size_t i = from; i < bytes.size(); i += 2) {
    sum += bytes[i] * 256u + (i + 1 < bytes.size() ? bytes[i + 1] : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

/// A TCP or UDP packet and what is in front of it.
struct FrameSpec {
  std::vector<uint16_t> tags = {};  // EtherTypes of VLAN tags
  int version = 4;
  bool tcp = true;
  Bytes options = {};  // of IPv4, or IPv6's extension headers: pairs of type and length in 8 bytes
  Bytes tcp_options = {};
  uint16_t id = 0x1234;
  uint16_t fragment_bits = 0x4000;
  uint32_t seq = 0xfffffc00;  // wraps soon
  uint8_t flags = 0x10;       // of TCP
  uint8_t tos = 0;
  Bytes payload = {};
  /// Where the packet is to arrive in the end, when another address is in the header on the way; IPv4.
  Bytes final_destination = {};

  uint32_t l3() const { return static_cast<uint32_t>(14 + 4 * tags.size()); }
  uint32_t l4() const { return l3() + IpHeader(0).size(); }
  uint32_t payload_at() const { return static_cast<uint32_t>(l4() + (tcp ? 20 + tcp_options.size() : 8)); }
  uint32_t checksum_at() const { return l4() + (tcp ? 16 : 6); }

  static Bytes Address(int version, uint8_t who) {
    Bytes a = version == 4 ? Bytes{192, 0, 2, 0} : Bytes{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0};
    a.back() = who;
    return a;
  }

  /// What an IP header says: Linux leaves the length of a packet that is still to be cut to others when it has no room.
  static uint32_t LengthOf(size_t bytes) { return bytes > 65'535 ? 0 : static_cast<uint32_t>(bytes); }
  /// With its checksum, before so many bytes.
  Bytes IpHeader(size_t follows) const {
    const Bytes from = Address(version, 1), to = Address(version, 2);
    Bytes h;
    const uint8_t protocol = tcp ? 6 : 17;
    if (version == 4) {
      const auto ihl = static_cast<uint8_t>(5 + options.size() / 4);
      h = {static_cast<uint8_t>(0x40 | ihl), tos};
      Append16(h, LengthOf(ihl * 4 + follows));
      Append16(h, id);
      Append16(h, fragment_bits);
      h.insert(h.end(), {64, protocol, 0, 0});
      h.insert(h.end(), from.begin(), from.end());
      h.insert(h.end(), to.begin(), to.end());
      h.insert(h.end(), options.begin(), options.end());
      Set16(h, 10, ~NaiveSum(h, 0));
      return h;
    }
    Bytes extensions;
    uint8_t first = protocol;
    for (size_t i = 0; i + 1 < options.size(); i += 2) {
      (i == 0 ? first : *(extensions.end() - options[i - 1] * 8)) = options[i];
      Bytes extension(options[i + 1] * 8u, 0);
      extension[0] = protocol, extension[1] = static_cast<uint8_t>(options[i + 1] - 1);
      // One padding option over the rest; of a routing header (43) it is no more than bytes.
      extension[2] = options[i] == 43 ? 4 : 1, extension[3] = static_cast<uint8_t>(extension.size() - 4);
      if (options[i] == 43) extension[3] = 0;
      extensions.insert(extensions.end(), extension.begin(), extension.end());
    }
    h = {static_cast<uint8_t>(0x60 | tos >> 4), static_cast<uint8_t>(tos << 4), 0, 0};
    Append16(h, LengthOf(extensions.size() + follows));
    h.insert(h.end(), {first, 64});
    h.insert(h.end(), from.begin(), from.end());
    h.insert(h.end(), to.begin(), to.end());
    h.insert(h.end(), extensions.begin(), extensions.end());
    return h;
  }
  uint32_t PseudoSum(size_t transport) const {
    Bytes p = Address(version, 1), to = final_destination.empty() ? Address(version, 2) : final_destination;
    p.insert(p.end(), to.begin(), to.end());
    Append32(p, static_cast<uint32_t>(transport));
    Append32(p, tcp ? 6 : 17);
    return NaiveSum(p, 0);
  }
  /// The whole frame. Without `complete` the checksum holds the sum of the pseudo-header.
  Bytes Build(bool complete) const {
    Bytes frame = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    for (size_t i = 0; i < tags.size(); i++)
      Append16(frame, tags[i]), Append16(frame, static_cast<uint32_t>(0x2005 + i));
    Append16(frame, version == 4 ? 0x0800 : 0x86dd);
    Bytes transport;
    if (tcp) {
      Append16(transport, 5001), Append16(transport, 80);
      Append32(transport, seq), Append32(transport, 77);
      transport.insert(transport.end(), {static_cast<uint8_t>((5 + tcp_options.size() / 4) << 4), flags});
      Append16(transport, 502), Append32(transport, 0);
      transport.insert(transport.end(), tcp_options.begin(), tcp_options.end());
    } else {
      Append16(transport, 5001), Append16(transport, 53);
      Append16(transport, static_cast<uint32_t>(8 + payload.size())), Append16(transport, 0);
    }
    transport.insert(transport.end(), payload.begin(), payload.end());
    const uint32_t pseudo = PseudoSum(transport.size());
    uint32_t check = pseudo;
    if (complete) {
      check = ~NaiveSum(transport, 0, pseudo) & 0xffff;
      if (check == 0 && !tcp) check = 0xffff;
    }
    Set16(transport, tcp ? 16 : 6, check);
    const Bytes ip = IpHeader(transport.size());
    frame.insert(frame.end(), ip.begin(), ip.end());
    frame.insert(frame.end(), transport.begin(), transport.end());
    return frame;
  }
  /// What a sender that leaves the checksum, and with gso_size also the segments, to others puts in front of it.
  VirtioNetHdr Header(uint16_t gso_size = 0) const {
    VirtioNetHdr h{};
    h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    h.csum_start = static_cast<uint16_t>(l4());
    h.csum_offset = tcp ? 16 : 6;
    if (gso_size == 0) return h;
    h.hdr_len = static_cast<uint16_t>(payload_at());
    h.gso_size = gso_size;
    h.gso_type = !tcp ? VIRTIO_NET_HDR_GSO_UDP_L4 : version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
    return h;
  }
  /// The frames that somebody without offloads is to get.
  std::vector<Bytes> Segments(uint32_t mss) const {
    std::vector<Bytes> frames;
    for (size_t at = 0; at < payload.size(); at += mss) {
      FrameSpec part = *this;
      const size_t end = std::min(payload.size(), at + mss);
      part.payload.assign(payload.begin() + static_cast<long>(at), payload.begin() + static_cast<long>(end));
      part.id = static_cast<uint16_t>(id + frames.size());
      part.seq = static_cast<uint32_t>(seq + at);
      if (at > 0) part.flags &= static_cast<uint8_t>(~0x80);
      if (end < payload.size()) part.flags &= static_cast<uint8_t>(~0x09);
      frames.push_back(part.Build(true));
    }
    return frames;
  }
};

inline Bytes RandomBytes(Random& random, size_t n) {
  Bytes bytes(n);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random.Below(256));
  return bytes;
}

/// Any mixture of tags, options and protocols.
inline FrameSpec AnyFrame(Random& random, uint32_t payload) {
  FrameSpec spec;
  for (uint32_t tags = random.Below(3); tags > 0; tags--) spec.tags.push_back(tags == 2 ? 0x88a8 : 0x8100);
  spec.version = random.OneIn(2) ? 4 : 6;
  spec.tcp = random.OneIn(2);
  if (spec.version == 4) spec.options = Bytes(4 * random.Below(11), 1);  // no operation
  if (spec.version == 6) {
    const Bytes kinds = {0, 60, 60};
    for (uint32_t i = random.Below(4); i > 0; i--)
      spec.options.insert(spec.options.end(), {kinds[3 - i], static_cast<uint8_t>(1 + random.Below(4))});
  }
  spec.tcp_options = Bytes(4 * random.Below(11), 1);
  spec.id = static_cast<uint16_t>(random.Below(65536));
  spec.seq = random.Below(UINT32_MAX);
  spec.flags = static_cast<uint8_t>(0x10 | (random.Below(256) & 0xe9));
  spec.tos = static_cast<uint8_t>(random.Below(256));
  spec.payload = RandomBytes(random, payload);
  return spec;
}

inline Bytes WithHeader(const VirtioNetHdr& header, const Bytes& frame, size_t length = 12) {
  Bytes packet(length + frame.size());
  memcpy(packet.data(), &header, length);
  std::copy(frame.begin(), frame.end(), packet.begin() + static_cast<long>(length));
  return packet;
}

}  // namespace ptnet::test
