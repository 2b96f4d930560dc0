// An interface of the host (`netmap:eth1`) as ports and members have it: its sockets, one for each queue, and who may
// use them now.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "forward/host_interface.h"
#include "memory/layout.h"
#include "netif/netif.h"
#include "ring/spinlock.h"

namespace ptnet {

/// A queue: one thread at a time receives, one sends, and nobody while the socket is exchanged for another one.
struct alignas(kCacheLine) NetifQueue {
  /// Frames that are looked at together.
  static constexpr uint32_t kFrames = 64;

  SpinLock rx_lock;
  std::array<RxFrame, kFrames> frames;  // [at, count) have been looked at, and not been taken
  uint32_t at = 0, count = 0;

  alignas(kCacheLine) SpinLock tx_lock;
  std::atomic<bool> unsent{false};  // something waits for the kernel to have room

  std::unique_ptr<FrameSocket> socket;  // exchanged with both locks held
  os::UniqueFd fd;                      // the socket by the same number always

  /// The next frame that has come; false when there is none. With rx_lock held. Taken() comes when it is done with.
  bool Peek(RxFrame** frame) noexcept;
  void Taken() noexcept { at++; }
  /// The frames that have been taken are the kernel's again: before it is left alone.
  void Release() noexcept;
  /// As FrameSocket::State(), of what has not been taken.
  std::optional<FrameSocketState> State();
};

class NetifDevice final : public HostInterface {
 public:
  /// As OpenNetif; one that another process has left may be gone, and is not served before GoOn().
  static Status Open(const NetifOptions& options, std::shared_ptr<NetifDevice>* out);
  ~NetifDevice() override { Close(); }

  uint32_t queues() const override { return static_cast<uint32_t>(queues_.size()); }
  NetifQueue& queue(uint32_t i) { return *queues_[i]; }
  /// Whether frames may be sent: it is up, has a carrier and is served.
  bool usable() const { return usable_.load(std::memory_order_relaxed); }
  /// Whether frames that come are wanted.
  bool served() const { return served_.load(std::memory_order_relaxed); }

  uint32_t vnet_hdr_max() const override { return VirtioNetHdr::kVnetHdrLong; }
  InterfaceFacts facts() override;
  /// It is promiscuous while that is on; what has come before is forgotten.
  void SetCarrier(bool on) override;
  Status Reopen(const Quiet& quiet) override;
  void Close() override;
  InterfaceState state() override;
  void GoOn() override;

 private:
  explicit NetifDevice(const NetifOptions& options) : HostInterface(options.object), options_(options) {}
  void OnChange(const os::LinkState& before, std::vector<std::string>* lines) override;
  void SetUsable();
  Status Take(const NetifOptions& options, const NetifState& state);
  Status OpenLeft(const NetifLeft& left);
  /// What it has, for the first time or anew.
  Status Have(Netif netif, const Quiet& quiet);
  /// Sockets for all queues, or none.
  Status Exchange(std::vector<std::unique_ptr<FrameSocket>> sockets, const Quiet& quiet);
  void HoldPromiscuousMode();

  NetifOptions options_;
  std::vector<std::unique_ptr<NetifQueue>> queues_;
  os::LinkSocket links_;
  os::UniqueFd promiscuous_;
  bool lro_ = false;
  uint32_t mtu_before_ = 0;
  FrameLosses lost_before_;  // by sockets that are gone
  bool waits_ = false;       // until GoOn()
  bool was_left_ = false;    // by a process that has died
  std::atomic<bool> usable_{false}, served_{false};
};

}  // namespace ptnet
