// An interface of the host's kernel as ports and members have it, whatever its frames go through: its queues, and what
// becomes of it while it is in use.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "memory/status.h"
#include "netif/netif.h"
#include "os/link.h"
#include "os/tap.h"

namespace ptnet {

/// Ethernet header and two VLAN tags.
inline constexpr uint32_t kFrameHeaderMax = 14 + 2 * 4;
/// No interface has longer frames, and no packet of IP is longer.
inline constexpr uint32_t kFrameMax = 65535 + kFrameHeaderMax;

/// What is said about an interface, beside its link.
struct InterfaceFacts {
  bool made = false;            // it was not there before, and goes with us
  bool backpressure = false;    // a full queue holds the kernel's senders back, instead of dropping
  const char* access = "";      // what its frames go through; empty: it has not been opened
  uint32_t mtu_before = 0;      // what is put back at the end; 0: nothing
  bool lro = false;             // when it was opened it merged what it receives by itself
  uint64_t lost_full = 0;       // frames that nobody has taken in time, since the interface was opened
  uint64_t lost_too_large = 0;  // that did not fit
  uint64_t refused = 0;         // frames of ours that the kernel has not taken
};

/// An interface as it is told to another process; nothing: it is not handed over.
using InterfaceState = std::variant<std::monostate, os::TapState, NetifState>;

class HostInterface {
 public:
  HostInterface(const HostInterface&) = delete;
  HostInterface& operator=(const HostInterface&) = delete;
  virtual ~HostInterface() = default;

  virtual uint32_t queues() const = 0;
  /// Bytes of the longest frame that the kernel sends now, without a virtio-net header.
  uint32_t frame_max() const { return frame_max_.load(std::memory_order_relaxed); }
  /// Bytes of the longest IP packet of the interface.
  uint32_t mtu() const { return mtu_.load(std::memory_order_relaxed); }
  /// Bytes of the longest virtio-net header that a frame may have in front of it.
  virtual uint32_t vnet_hdr_max() const { return 0; }

  // The control plane.

  /// What messages begin with: `tap:lan`.
  const std::string& object() const { return object_; }
  const os::LinkState& link() const { return link_; }
  virtual InterfaceFacts facts() = 0;
  /// Whether the other side is served, so that frames are to come.
  virtual void SetCarrier(bool on) = 0;
  /// Readable when TakeNews() has something to say.
  int news_fd() const { return news_.fd(); }
  /// What has become of the interface since: a line for each change.
  std::vector<std::string> TakeNews();
  /// The interface is gone: nothing is read or written before it is opened again.
  bool gone() const { return link_.removed; }
  /// Of one that is gone: why it could not be opened; empty: it was, and has been deleted.
  const std::string& missing() const { return missing_; }
  /// Runs `fn` while nobody reads frames of the queue, nor has any that lie in its memory.
  using Quiet = std::function<void(uint32_t queue, const std::function<void()>& fn)>;
  /// Opens it again; then every flow that waits for a queue has to set its events. Fails with what opening it says.
  virtual Status Reopen(const Quiet& quiet = [](uint32_t, const std::function<void()>& fn) { fn(); }) = 0;
  /// For another process that goes on with it, while nobody serves it; its descriptors stay its own.
  virtual InterfaceState state() = 0;
  /// One that another process has had is this one's from now on: until then nothing of it is changed.
  virtual void GoOn() = 0;
  /// Gives the interface back, for ever: what is sent goes nowhere, and nothing comes.
  virtual void Close() = 0;

 protected:
  explicit HostInterface(std::string object) : object_(std::move(object)) {}
  /// It has been opened, for the first time or anew.
  void Adopt(os::LinkState link, os::LinkSocket news);
  void ForgetNews() { news_ = {}; }
  /// It could not be opened, and is as one that is gone; of `link` it is known what it was called.
  void Miss(os::LinkState link, std::string why);
  /// Whether the kernel sends packets that are still to be cut: they are as long as any.
  void SetUncut(bool uncut) {
    uncut_ = uncut;
    SetMtu(link_.mtu);
  }
  /// The link has changed, to link(): lines of the kind's own.
  virtual void OnChange(const os::LinkState& /*before*/, std::vector<std::string>* /*lines*/) {}
  /// A line about the interface.
  std::string Line(const std::string& text) const { return object_ + ": the interface " + text; }

 private:
  void SetMtu(uint32_t mtu) {
    mtu_.store(mtu, std::memory_order_relaxed);
    frame_max_.store(uncut_ ? kFrameMax : std::min(mtu + kFrameHeaderMax, kFrameMax), std::memory_order_relaxed);
  }

  const std::string object_;
  os::LinkState link_;
  std::string missing_;
  os::LinkSocket news_;
  bool uncut_ = false;
  std::atomic<uint32_t> frame_max_{0}, mtu_{0};
};

}  // namespace ptnet
