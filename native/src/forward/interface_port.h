// A port whose other side is an interface of the host: a guest's rings, and the interface's queues; ring pair i has
// queue i. How frames get from one to the other is the kind's own.
#pragma once

#include <memory>
#include <vector>

#include "datapath/flow.h"
#include "forward/host_interface.h"
#include "forward/port.h"

namespace ptnet {

class InterfacePort : public Port, public std::enable_shared_from_this<InterfacePort> {
 public:
  Flow* flow(uint32_t i) override { return flows_[i]; }
  std::shared_ptr<void> Anchor() override { return shared_from_this(); }
  void OnServed(bool served) noexcept override { interface_->SetCarrier(served); }

  HostInterface& device() { return *interface_; }
  std::shared_ptr<HostInterface> shared_device() const { return interface_; }

 protected:
  using Port::Port;
  /// EINVAL when there are not as many rx as tx rings; `kind` has them: "a tap".
  static Status CheckPairs(const PortShape& shape, const char* kind);
  /// The interface that has been opened: EINVAL when its longest frame does not fit a packet of the rx rings.
  Status Take(std::shared_ptr<HostInterface> opened);
  /// Bytes that fit a packet of the rx rings, with one to spare.
  uint32_t PacketMax() const;
  /// In the order of the rings, tx first.
  void AddFlow(Flow* flow) { flows_.push_back(flow); }

 private:
  std::shared_ptr<HostInterface> interface_;
  std::vector<Flow*> flows_;
};

/// Slots that the longest packet takes of a ring, with a byte to spare.
uint32_t SlotsForFrame(const HostInterface& interface, const Kring& k) noexcept;

}  // namespace ptnet
