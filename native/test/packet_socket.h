// The kernel's side of a tap for the tests: a socket that sends on an interface and sees what is received there.
#pragma once

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>

#include "netns.h"

namespace ptnet::test {

/// Sends and receives whole Ethernet frames of one protocol, or of all, on an interface of this thread's namespace.
class PacketSocket {
 public:
  /// With `vnet_hdr` each frame begins with a virtio-net header of 10 bytes.
  explicit PacketSocket(const std::string& interface, bool vnet_hdr = false) : skip_(vnet_hdr ? 10 : 0) {
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    CHECK(fd_ >= 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const int on = 1, room = 8 << 20;
    CHECK(setsockopt(fd_, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) == 0);
    if (vnet_hdr) CHECK(setsockopt(fd_, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0);
    // What this socket itself sends it is not shown.
    CHECK(setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) == 0);
    // More than the machine's own limit takes a right on the machine.
    if (setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
      CHECK(setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0);
  }
  ~PacketSocket() { close(fd_); }
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;

  bool Send(const Bytes& frame) {
    return send(fd_, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size());
  }
  /// The next frame; empty when none comes within `timeout_ms`.
  Bytes Receive(int timeout_ms = 60'000) {
    pollfd p{fd_, POLLIN, 0};
    if (poll(&p, 1, timeout_ms) != 1) return {};
    iovec piece{room_.data(), room_.size()};
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(tpacket_auxdata))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(fd_, &message, 0);
    if (size < 0) return {};  // the interface went down
    Bytes frame(room_.begin(), room_.begin() + size);
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
      if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) RestoreTag(&frame, CMSG_DATA(c));
    return frame;
  }

 private:
  /// The kernel has taken the outer VLAN tag out of the frame.
  void RestoreTag(Bytes* frame, const uint8_t* data) const {
    tpacket_auxdata aux;
    memcpy(&aux, data, sizeof aux);
    if (!(aux.tp_status & TP_STATUS_VLAN_VALID)) return;
    const uint16_t type = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETHERTYPE_VLAN;
    const uint8_t tag[4] = {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type),
                            static_cast<uint8_t>(aux.tp_vlan_tci >> 8), static_cast<uint8_t>(aux.tp_vlan_tci)};
    frame->insert(frame->begin() + skip_ + 12, tag, tag + 4);
  }

  int fd_ = -1;
  const long skip_;
  Bytes room_ = Bytes(200'000);  // for the frame that is received
};

/// From one length that is tried to the next, and how many frames of any kind are tried behind them: a sanitizer sees
/// no more in more of them, and who sends and receives here is one thread.
#if defined(__SANITIZE_THREAD__)
inline constexpr uint32_t kLengthStep = 11, kFramesOfAnyKind = 1'000;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr uint32_t kLengthStep = 1, kFramesOfAnyKind = 5'000;
#else
inline constexpr uint32_t kLengthStep = 1, kFramesOfAnyKind = 90'000;
#endif

/// A frame of `len` bytes whose contents follow from `tag`: of a protocol that no stack looks at, with so many VLAN
/// tags.
inline Bytes TestFrame(uint32_t len, uint32_t tag, uint32_t vlan_tags = 0) {
  Bytes frame(len);
  for (uint32_t i = 0; i < len; i++) frame[i] = static_cast<uint8_t>(i * 31 + tag * 7 + (i >> 8) + (tag >> 8));
  const uint8_t addresses[12] = {2, 0, 0, 0, 0, 0x10, 2, 0, 0, 0, 0, 7};
  memcpy(frame.data(), addresses, 12);
  uint32_t at = 12;
  for (uint32_t t = 0; t < vlan_tags; t++, at += 4) {
    const uint16_t type = t + 1 < vlan_tags ? 0x88a8 : 0x8100;
    const uint8_t bytes[4] = {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type),
                              static_cast<uint8_t>(tag & 0xef), static_cast<uint8_t>(tag)};
    memcpy(&frame[at], bytes, 4);
  }
  frame[at] = 0x88;
  frame[at + 1] = 0xb5;
  return frame;
}

}  // namespace ptnet::test
