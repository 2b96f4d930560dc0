// Where the headers of a frame are: Ethernet with VLAN tags, IPv4 with options, IPv6 with extension headers, TCP, UDP.
#pragma once

#include <cstdint>

namespace ptnet {

/// Offsets from the Ethernet header; what was not found is 0.
struct FrameHeaders {
  uint32_t l3 = 0;       // the IP header
  uint32_t l4 = 0;       // what follows IP's options and extension headers
  uint32_t payload = 0;  // what follows the TCP or UDP header
  uint8_t version = 0;   // of IP: 4 or 6
  uint8_t protocol = 0;  // at l4
  bool fragment = false;
  bool routed = false;  // the checksum's destination address may be another one than that of the IP header
};

inline constexpr uint8_t kProtocolTcp = 6, kProtocolUdp = 17;
/// Offsets in a TCP or UDP header.
inline constexpr uint32_t kTcpChecksum = 16, kUdpChecksum = 6, kUdpHeader = 8;

/// Looks at the first `have` bytes of a frame. IP and what follows is found only as far as it lies within them.
FrameHeaders ParseFrame(const uint8_t* frame, uint32_t have) noexcept;

}  // namespace ptnet
