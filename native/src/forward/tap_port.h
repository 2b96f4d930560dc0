// The tap port: a guest's rings on one side, the host's network stack on the other. What the guest sends the kernel
// receives on the tap, and the other way round; ring pair i has queue i.
#pragma once

#include <memory>
#include <vector>

#include "forward/interface_port.h"
#include "forward/tap_device.h"
#include "forward/tx_flow.h"

namespace ptnet {

/// From a guest's tx ring to the kernel, one packet a system call. What the kernel does not take is dropped and
/// counted: it never holds the guest back.
class TapTxFlow final : public TxFlow {
 public:
  TapTxFlow(Kring& k, const TapDevice& device, uint32_t queue) : TxFlow(k), device_(device), queue_(queue) {}
  Used Poll(const Budget& budget) noexcept override;

 private:
  const TapDevice& device_;
  const uint32_t queue_;
};

/// From the kernel straight into the buffers of a guest's rx ring. A ring without room leaves frames in the tap's own
/// queue.
class TapRxFlow final : public Flow {
 public:
  TapRxFlow(Kring& k, const TapDevice& device, uint32_t queue);
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  void Disarm() noexcept override { k_.DisableKicks(); }
  void Unblock() noexcept override { k_.Unblock(); }
  void EndRx() noexcept override;

 private:
  bool ReadFrame(RxWriter* to, uint32_t slots) noexcept;

  Kring& k_;
  const TapDevice& device_;
  int queue_;
  bool drained_ = false;  // the last poll left nothing in the queue: what comes then is an event
};

class TapPort final : public InterfacePort {
 public:
  /// Opens the tap with as many queues as there are pairs of rings; EINVAL when there are not as many rx as tx rings,
  /// or when a frame does not fit a packet of the rx ring.
  static Status Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                       os::TapOptions options, std::shared_ptr<TapPort>* out);
  /// A tap that was opened without one has none: EINVAL.
  Status CheckVnetHdr(uint8_t len) override;
  /// The kernel's packets have the client's header, and leave undone what a client with one takes.
  void OnVnetHdr(uint8_t len) noexcept override;

 private:
  using InterfacePort::InterfacePort;

  std::shared_ptr<TapDevice> tap_;
  std::vector<std::unique_ptr<TapTxFlow>> tx_;
  std::vector<std::unique_ptr<TapRxFlow>> rx_;
};

}  // namespace ptnet
