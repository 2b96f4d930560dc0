// A tap as ports and members have it: its queues, the frames that go through them, and what becomes of its interface.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "os/tap.h"
#include "packet/vnet_packet.h"
#include "ring/rx_writer.h"

namespace ptnet {

/// What one system call for a frame costs, in bytes of a budget: about as much time as copying them.
inline constexpr uint32_t kFrameCallBytes = 16 << 10;

/// Ethernet header and two VLAN tags.
inline constexpr uint32_t kFrameHeaderMax = 14 + 2 * 4;
/// No interface has longer frames, and no packet of IP is longer.
inline constexpr uint32_t kFrameMax = 65535 + kFrameHeaderMax;

/// What became of a packet that was written: the frames that the kernel has taken, and what it has not, and why: kDown
/// (the interface is down, or gone), kFull, kBadLen, kBadVnet, kBadBuf (memory that is not there any more).
struct TapSent {
  uint32_t frames = 0;
  uint32_t bytes = 0;  // of them, without virtio-net headers
  NotPut dropped;
};

class TapDevice {
 public:
  /// As os::OpenTap.
  static Status Open(const os::TapOptions& options, std::shared_ptr<TapDevice>* out);

  uint32_t queues() const { return static_cast<uint32_t>(tap_.queues.size()); }
  /// The same number for as long as the device is there, also when what is behind it is opened anew.
  int queue(uint32_t i) const { return tap_.queues[i].get(); }
  /// Bytes of the longest frame that the kernel sends now, without its virtio-net header.
  uint32_t frame_max() const { return frame_max_.load(std::memory_order_relaxed); }
  /// Bytes of the virtio-net header that every frame that is read begins with: 0, 10 or 12.
  uint32_t vnet_hdr() const { return vnet_hdr_.load(std::memory_order_relaxed); }
  /// Writes a packet that begins with so many bytes of virtio-net header, 0, 10 or 12, to queue i. What the header asks
  /// for the kernel does; without IFF_VNET_HDR it is done here, and the packet cut to the mtu.
  TapSent Write(uint32_t i, const Pieces& packet, uint32_t vnet_hdr) const noexcept;

  // The control plane.

  const std::string& object() const { return options_.object; }
  const os::LinkState& link() const { return tap_.link; }
  /// The interface was not there before.
  bool made() const { return tap_.made; }
  bool backpressure() const { return tap_.backpressure; }
  /// The other side takes such headers, and leaves no more undone, from now on. Not for a tap without any.
  void SetVnetHdr(uint32_t bytes, os::TapOffloads offloads);
  /// Whether the other side is served, so that the kernel may send.
  void SetCarrier(bool on);
  /// Readable when TakeNews() has something to say.
  int news_fd() const { return tap_.news.fd(); }
  /// What has become of the interface since: a line for each change.
  std::vector<std::string> TakeNews();
  /// The interface is gone: nothing is read or written before it is opened again.
  bool gone() const { return tap_.link.removed; }
  /// Opens it again; then every flow that waits for a queue has to set its events. Fails with what os::OpenTap says.
  Status Reopen();
  /// Gives the tap back, for ever: what is written goes nowhere, and nothing comes.
  void Close();

 private:
  explicit TapDevice(const os::TapOptions& options) : options_(options) {}
  void SetFrameMax();

  os::TapOptions options_;
  os::Tap tap_;
  os::TapOffloads offloads_ = os::TapOffloads::kNone;
  bool carrier_ = false;
  std::atomic<uint32_t> frame_max_{0}, mtu_{0}, vnet_hdr_{0};
};

}  // namespace ptnet
