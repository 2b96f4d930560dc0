// A tap as ports and members have it: its queues, and the frames that go through them.
#pragma once

#include <memory>

#include "forward/host_interface.h"
#include "os/tap.h"
#include "packet/vnet_packet.h"
#include "ring/rx_writer.h"

namespace ptnet {

/// What one system call for a frame costs, in bytes of a budget: about as much time as copying them.
inline constexpr uint32_t kFrameCallBytes = 16 << 10;

/// What became of a packet that was written: the frames that the kernel has taken, and what it has not, and why: kDown
/// (the interface is down, or gone), kFull, kBadLen, kBadVnet, kBadBuf (memory that is not there any more).
struct TapSent {
  uint32_t frames = 0;
  uint32_t bytes = 0;  // of them, without virtio-net headers
  NotPut dropped;
};

class TapDevice final : public HostInterface {
 public:
  /// As os::OpenTap, or, of one that is open already, as os::AdoptTap: that one waits for GoOn().
  static Status Open(const os::TapOptions& options, std::shared_ptr<TapDevice>* out);

  uint32_t queues() const override { return static_cast<uint32_t>(tap_.queues.size()); }
  /// The same number for as long as the device is there, also when what is behind it is opened anew.
  int queue(uint32_t i) const { return tap_.queues[i].get(); }
  /// Bytes of the virtio-net header that every frame that is read begins with: 0, 10 or 12.
  uint32_t vnet_hdr() const { return vnet_hdr_.load(std::memory_order_relaxed); }
  uint32_t vnet_hdr_max() const override { return vnet_hdr() > 0 ? VirtioNetHdr::kVnetHdrLong : 0; }
  /// Writes a packet that begins with so many bytes of virtio-net header, 0, 10 or 12, to queue i. What the header asks
  /// for the kernel does; without IFF_VNET_HDR it is done here, and the packet cut to the mtu.
  TapSent Write(uint32_t i, const Pieces& packet, uint32_t vnet_hdr) const noexcept;

  InterfaceFacts facts() override { return {.made = tap_.made, .backpressure = tap_.backpressure, .access = "tap"}; }
  /// The other side takes such headers, and leaves no more undone, from now on. Not for a tap without any.
  void SetVnetHdr(uint32_t bytes, os::TapOffloads offloads);
  /// The interface has a carrier while it is on.
  void SetCarrier(bool on) override;
  Status Reopen(const Quiet& quiet) override;
  void Close() override;
  InterfaceState state() override;
  void GoOn() override;

 private:
  explicit TapDevice(const os::TapOptions& options) : HostInterface(options.object), options_(options) {}

  void Take(const os::TapState& state);

  os::TapOptions options_;
  os::Tap tap_;
  os::TapOffloads offloads_ = os::TapOffloads::kNone;
  bool carrier_ = false;
  bool waits_ = false;  // another process may still have it
  std::atomic<uint32_t> vnet_hdr_{0};
};

}  // namespace ptnet
