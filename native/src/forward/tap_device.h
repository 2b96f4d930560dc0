// A tap as ports and members have it: its queues, the frames that go through them, and what becomes of its interface.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "os/tap.h"
#include "ring/rx_writer.h"

namespace ptnet {

/// What one system call for a frame costs, in bytes of a budget: about as much time as copying them.
inline constexpr uint32_t kFrameCallBytes = 16 << 10;

/// Ethernet header and two VLAN tags.
inline constexpr uint32_t kFrameHeaderMax = 14 + 2 * 4;
/// No interface has longer frames, and no packet of IP is longer.
inline constexpr uint32_t kFrameMax = 65535 + kFrameHeaderMax;

class TapDevice {
 public:
  /// As os::OpenTap.
  static Status Open(const os::TapOptions& options, std::shared_ptr<TapDevice>* out);

  uint32_t queues() const { return static_cast<uint32_t>(tap_.queues.size()); }
  /// The same number for as long as the device is there, also when what is behind it is opened anew.
  int queue(uint32_t i) const { return tap_.queues[i].get(); }
  /// Bytes of the longest frame that the kernel sends now.
  uint32_t frame_max() const { return frame_max_.load(std::memory_order_relaxed); }

  // The control plane.

  const std::string& object() const { return options_.object; }
  const os::LinkState& link() const { return tap_.link; }
  /// The interface was not there before.
  bool made() const { return tap_.made; }
  bool backpressure() const { return tap_.backpressure; }
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
  void SetMtu(uint32_t mtu);

  os::TapOptions options_;
  os::Tap tap_;
  bool carrier_ = false;
  std::atomic<uint32_t> frame_max_{0};
};

/// Writes one frame. kCount when the kernel has taken it, else why it has not: kDown (the interface is down, or gone),
/// kFull, kBadLen, kBadBuf (memory that is not there any more).
Drop WriteFrame(int queue, const Pieces& frame) noexcept;

}  // namespace ptnet
