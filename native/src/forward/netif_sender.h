// The sending side of an interface's queue, for one batch of packets: what the socket cannot leave to the kernel is
// done on the way.
#pragma once

#include "forward/netif_device.h"
#include "packet/vnet_packet.h"

namespace ptnet {

/// What sending a frame costs, in bytes of a budget: the kernel's network stack, which runs within Close().
inline constexpr uint32_t kSentFrameBytes = 4 << 10;

class NetifSender {
 public:
  NetifSender(const NetifDevice& device, NetifQueue& queue) : device_(device), q_(queue) {}
  NetifSender(const NetifSender&) = delete;
  NetifSender& operator=(const NetifSender&) = delete;

  /// Nobody else sends by the queue before Close(). False when somebody does, and it may not be waited for.
  bool Open(bool may_wait) noexcept;
  /// Copies a packet, whose sender has a virtio-net header of `vnet_hdr_len` bytes, or what is made of it, into the
  /// socket. @return how many of its frames are not sent, and why: kDown, kBadLen, kBadVnet, kTooLong; kFull when the
  /// kernel has no room now, of a packet that is to be cut for the rest of it.
  NotPut Send(const Pieces& packet, uint32_t vnet_hdr_len) noexcept;
  /// Gives the frames to the kernel. True when some of them wait for it to have room.
  bool Close() noexcept;

  uint64_t packets() const { return packets_; }
  uint64_t bytes() const { return bytes_; }
  /// In bytes of a budget.
  uint64_t cost() const { return bytes_ + packets_ * kSentFrameBytes; }

 private:
  uint8_t* Room(uint32_t len) noexcept;
  Drop SendWhole(const Pieces& packet, uint32_t vnet_hdr_len) noexcept;
  NotPut SendMade(const Pieces& packet, uint32_t vnet_hdr_len) noexcept;
  Drop CheckHeader(VirtioNetHdr* hdr, const uint8_t* frame, uint32_t len) noexcept;
  void Put(uint32_t len, const VirtioNetHdr& hdr) noexcept;

  const NetifDevice& device_;
  NetifQueue& q_;
  uint64_t packets_ = 0, bytes_ = 0;
};

/// When to look again whether the kernel has room.
inline constexpr uint64_t kRoomPauseNs = 200'000;

}  // namespace ptnet
