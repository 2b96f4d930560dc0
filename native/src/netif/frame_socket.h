// A socket that takes and gives the Ethernet frames of one queue of an interface, through memory that the kernel
// shares.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "os/error.h"
#include "packet/vnet_hdr.h"

namespace ptnet {

/// A frame that has come. It lies in the kernel's ring until it is released.
struct RxFrame {
  const uint8_t* data = nullptr;
  uint32_t len = 0;
  /// What the kernel has left undone: a checksum, or the cutting of a frame larger than the MTU. All zero: nothing.
  VirtioNetHdr vnet{};
};

/// What the kernel has thrown away before it came to us. Running totals.
struct FrameLosses {
  uint64_t ring_full = 0;  // nobody took frames in time
  uint64_t too_large = 0;  // larger than the ring's frames
  uint64_t refused = 0;    // sent by us, and not taken by the kernel
};

/// A socket that another process has open, and that is gone on with: its descriptors are that process's.
struct FrameSocketState {
  int fd = -1, large_fd = -1;
  uint32_t slots = 0;
  uint32_t released = 0;       // of what has come: from there on nothing has been taken
  uint32_t sent = 0, put = 0;  // [sent, put) is for the kernel to send
  std::vector<uint8_t> large;  // one that is too large for the ring, behind its header, and waits too
  FrameLosses losses;
};

/// One thread at a time each way, and a third one for losses(). Nothing here waits.
class FrameSocket {
 public:
  FrameSocket() = default;
  FrameSocket(const FrameSocket&) = delete;
  FrameSocket& operator=(const FrameSocket&) = delete;
  virtual ~FrameSocket() = default;

  /// Readable when frames have come; tells errors of the interface.
  virtual int fd() const noexcept = 0;
  /// "af_packet", "af_xdp copy", "af_xdp zero-copy".
  virtual const char* access() const noexcept = 0;
  /// Whether frames may carry a virtio-net header, both ways.
  virtual bool vnet() const noexcept = 0;
  /// The largest frame that can be sent, in bytes.
  virtual uint32_t tx_frame_max() const noexcept = 0;

  /// The frames that came first and have not been looked at: `most` at most, in their order.
  virtual uint32_t Peek(RxFrame* frames, uint32_t most) noexcept = 0;
  /// The oldest `count` of those that were looked at are the kernel's again.
  virtual void Release(uint32_t count) noexcept = 0;

  /// Room for the next frame to send, of 14 to tx_frame_max() bytes; null while the kernel has all of it.
  virtual uint8_t* Room(uint32_t len) noexcept = 0;
  /// It is filled. `vnet` says what is left to do, where vnet() is true.
  virtual void Put(const VirtioNetHdr& vnet) noexcept = 0;
  /// Gives what was put in to the kernel. An error is the interface's (ENETDOWN, ENXIO); a full queue is none, what is
  /// left goes with the next call.
  virtual os::Error Flush() noexcept = 0;
  /// Whether frames that were put in have not been given to the kernel yet.
  virtual bool unsent() const noexcept = 0;

  virtual FrameLosses losses() noexcept = 0;
  /// The interface is given back, and has nothing more of a socket that was there for all of its queues, even of a
  /// process that has died. Closing it comes next.
  virtual void GiveBack() noexcept {}
  /// For another process, while nobody uses it: `seen` are the frames that have been looked at and not been taken, and
  /// are as if they had not been. Nothing: it cannot be handed over.
  virtual std::optional<FrameSocketState> State(std::span<const RxFrame> /*seen*/) { return std::nullopt; }
};

}  // namespace ptnet
