// ParseFrame: one header after the other, each looked at only when all of it is there.
#include "packet/frame.h"

#include "packet/checksum.h"

namespace ptnet {
namespace {

constexpr uint32_t kAddresses = 12;  // destination and source, before the EtherType
constexpr uint16_t kTypeIp4 = 0x0800, kTypeIp6 = 0x86dd, kTypeVlan = 0x8100, kTypeQinQ = 0x88a8;
constexpr uint32_t kIp4Header = 20, kIp6Header = 40, kTcpHeader = 20;
constexpr uint16_t kIp4FragmentBits = 0x3fff;  // more fragments, and the offset

/// Of IPv6 (RFC 8200): those that other headers follow.
enum : uint8_t { kHopByHop = 0, kRouting = 43, kFragment = 44, kDestinationOptions = 60 };

void ParseIp4(const uint8_t* frame, uint32_t have, FrameHeaders* h) {
  const uint8_t* const ip = frame + h->l3;
  if (have - h->l3 < kIp4Header || ip[0] >> 4 != 4) return;
  const uint32_t len = (ip[0] & 0xf) * 4u;
  if (len < kIp4Header || have - h->l3 < len) return;
  h->version = 4;
  h->fragment = LoadBe16(ip + 6) & kIp4FragmentBits;
  h->routed = len > kIp4Header;
  h->protocol = ip[9];
  h->l4 = h->l3 + len;
}

void ParseIp6(const uint8_t* frame, uint32_t have, FrameHeaders* h) {
  const uint8_t* const ip = frame + h->l3;
  if (have - h->l3 < kIp6Header || ip[0] >> 4 != 6) return;
  h->version = 6;
  uint8_t next = ip[6];
  uint32_t at = h->l3 + kIp6Header;
  while (next == kHopByHop || next == kRouting || next == kFragment || next == kDestinationOptions) {
    if (have - at < 8) return;
    const uint32_t len = next == kFragment ? 8 : (frame[at + 1] + 1u) * 8;
    if (have - at < len) return;
    h->fragment |= next == kFragment;
    h->routed |= next == kRouting;
    next = frame[at];
    at += len;
  }
  h->protocol = next;
  h->l4 = at;
}

}  // namespace

FrameHeaders ParseFrame(const uint8_t* frame, uint32_t have) noexcept {
  FrameHeaders h;
  uint32_t type_at = kAddresses;
  uint16_t type = 0;
  for (; have >= type_at + 2; type_at += 4) {
    type = LoadBe16(frame + type_at);
    if (type != kTypeVlan && type != kTypeQinQ) break;
  }
  if (have < type_at + 2 || (type != kTypeIp4 && type != kTypeIp6)) return h;
  h.l3 = type_at + 2;
  type == kTypeIp4 ? ParseIp4(frame, have, &h) : ParseIp6(frame, have, &h);
  if (h.l4 == 0 || h.fragment) return h;
  if (h.protocol == kProtocolUdp && have - h.l4 >= kUdpHeader) h.payload = h.l4 + kUdpHeader;
  if (h.protocol == kProtocolTcp && have - h.l4 >= kTcpHeader) {
    const uint32_t len = (frame[h.l4 + 12] >> 4) * 4u;
    if (len >= kTcpHeader && have - h.l4 >= len) h.payload = h.l4 + len;
  }
  return h;
}

}  // namespace ptnet
