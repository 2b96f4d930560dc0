// VALE's control side: ports joining and leaving a switch.
#include "forward/vale.h"

#include <errno.h>

#include <cassert>

#include "datapath/engine.h"

namespace ptnet {

ValeSwitch::~ValeSwitch() {
  for (auto& port : ports_) assert(port.load() == nullptr);
}

Status ValeSwitch::Attach(ValePort* port) {
  for (uint32_t i = 0; i < kPortsMax; i++) {
    if (ports_[i].load(std::memory_order_relaxed) != nullptr) continue;
    port->number_ = i;
    ports_[i].store(port, std::memory_order_release);
    present_[i / 64].fetch_or(uint64_t{1} << (i % 64), std::memory_order_release);
    return Status::Ok();
  }
  return Status::Fail(ENOSPC, name_ + ": the switch is full: it has 254 ports");
}

void ValeSwitch::Detach(ValePort* port) {
  uint32_t i = port->number_;
  present_[i / 64].fetch_and(~(uint64_t{1} << (i % 64)), std::memory_order_release);
  ports_[i].store(nullptr, std::memory_order_release);
  departures_.fetch_add(1, std::memory_order_release);
  engine_->Synchronize();
  // After that nobody learns this port any more.
  table_.Forget(i);
}

Status ValePort::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                        std::shared_ptr<ValeSwitch> sw, std::shared_ptr<ValePort>* out) {
  std::shared_ptr<ValePort> port(new ValePort(std::move(region), std::move(stats), shape));
  if (Status s = port->Build(true); !s.ok()) return s;
  for (uint32_t i = 0; i < shape.tx_rings; i++) port->flows_.push_back(std::make_unique<ValeFlow>(*port, port->tx(i)));
  port->switch_ = std::move(sw);
  if (Status s = port->switch_->Attach(port.get()); !s.ok()) return s;
  port->joined_ = true;
  *out = std::move(port);
  return Status::Ok();
}

void ValePort::Leave() {
  // First, so that nothing is learned for a place that is being given up.
  if (joined_.exchange(false)) switch_->Detach(this);
}

ValePort::~ValePort() { Leave(); }

}  // namespace ptnet
