// A tap as ports and members have it: its queues, and the frames that go through them.
#pragma once

#include <memory>

#include "forward/host_interface.h"
#include "os/tap.h"
#include "ring/rx_writer.h"

namespace ptnet {

/// What one system call for a frame costs, in bytes of a budget: about as much time as copying them.
inline constexpr uint32_t kFrameCallBytes = 16 << 10;

class TapDevice final : public HostInterface {
 public:
  /// As os::OpenTap.
  static Status Open(const os::TapOptions& options, std::shared_ptr<TapDevice>* out);

  uint32_t queues() const override { return static_cast<uint32_t>(tap_.queues.size()); }
  /// The same number for as long as the device is there, also when what is behind it is opened anew.
  int queue(uint32_t i) const { return tap_.queues[i].get(); }

  InterfaceFacts facts() override { return {.made = tap_.made, .backpressure = tap_.backpressure, .access = "tap"}; }
  /// The interface has a carrier while it is on.
  void SetCarrier(bool on) override;
  Status Reopen() override;
  void Close() override;

 private:
  explicit TapDevice(const os::TapOptions& options) : HostInterface(options.object), options_(options) {}

  os::TapOptions options_;
  os::Tap tap_;
  bool carrier_ = false;
};

/// Writes one frame. kCount when the kernel has taken it, else why it has not: kDown (the interface is down, or gone),
/// kFull, kBadLen, kBadBuf (memory that is not there any more).
Drop WriteFrame(int queue, const Pieces& frame) noexcept;

}  // namespace ptnet
