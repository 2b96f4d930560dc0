// The interface port: a guest's rings on one side, an interface of the host on the other. What the guest sends goes out
// by the interface, and what comes in there the guest receives; ring pair i has queue i.
#pragma once

#include <memory>
#include <vector>

#include "forward/interface_port.h"
#include "forward/netif_sender.h"
#include "forward/tx_flow.h"

namespace ptnet {

/// From a guest's tx ring to the interface. While the kernel has no room the packets stay in the ring; while the
/// interface is down they are dropped and counted.
class NetifTxFlow final : public TxFlow {
 public:
  NetifTxFlow(Kring& k, NetifDevice& device, uint32_t queue) : TxFlow(k), device_(device), q_(device.queue(queue)) {}
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  uint64_t Due() const noexcept override { return due_ns_; }

 private:
  NetifDevice& device_;
  NetifQueue& q_;
  bool full_ = false;    // the last poll left packets in the ring, as the kernel has no room
  uint64_t due_ns_ = 0;  // when to look again; 0: nothing waits
};

/// From the interface into a guest's rx ring. A ring without room leaves frames in the socket's memory.
class NetifRxFlow final : public Flow {
 public:
  NetifRxFlow(Kring& k, NetifDevice& device, uint32_t queue);
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  void Disarm() noexcept override { k_.DisableKicks(); }
  void Unblock() noexcept override { k_.Unblock(); }
  void EndRx() noexcept override;
  void OnReady(Watch& watch, uint32_t events) noexcept override;

 private:
  bool PutFrame(RxWriter* to, const RxFrame& frame) noexcept;
  uint32_t SlotsWanted(const RxFrame& frame) const noexcept;

  Kring& k_;
  NetifDevice& device_;
  NetifQueue& q_;
  bool drained_ = false;  // the last poll left no frame: what comes then is an event
  uint32_t wanted_ = 1;   // else the slots that the next frame takes
};

/// What an error of a watched socket is followed by: it is forgotten, as news of the interface tell what it was, and
/// the socket is waited for as before.
void ForgetError(Watch& watch, uint32_t events) noexcept;

class NetifPort final : public InterfacePort {
 public:
  /// Opens the interface with as many queues as there are pairs of rings; EINVAL when there are not as many rx as tx
  /// rings, or when a frame does not fit a packet of the rx ring; else as OpenNetif.
  static Status Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                       NetifOptions options, std::shared_ptr<NetifPort>* out);

 private:
  using InterfacePort::InterfacePort;

  std::shared_ptr<NetifDevice> netif_;
  std::vector<std::unique_ptr<NetifTxFlow>> tx_;
  std::vector<std::unique_ptr<NetifRxFlow>> rx_;
};

}  // namespace ptnet
