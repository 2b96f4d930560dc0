// MonitorPort: its creation, and who watches while its client is there.
#include "forward/monitor.h"

#include <errno.h>

#include "ring/tx_reader.h"

namespace ptnet {

Used MonitorTxFlow::Poll(const Budget& budget) noexcept {
  TxReader from(k_);
  if (!from.Open()) return {};
  while (from.slots() < budget.slots && from.Peek(&packet_)) from.Drop(Drop::kNoDestination);
  const Used used{.moved = from.slots() > 0, .slots = from.slots()};
  from.Close();
  return used;
}

Status CheckWatched(const std::string& monitor, const Watchable& watched, Ways ways) {
  if (!ways.tx && !ways.rx)
    return Status::Fail(EINVAL, monitor + ": a monitor of neither direction: tx, rx or both would be right");
  if (watched.port && watched.port->is_monitor())
    return Status::Fail(EINVAL, monitor + ": '" + watched.name() + "' is a monitor: what it watches would be right");
  return Status::Ok();
}

Status CheckNoVnetHdr(const Port& monitor, uint8_t len) {
  if (len == 0) return Status::Ok();
  return Status::Fail(EINVAL, monitor.name() + ": virtio-net header: one of " + std::to_string(len) +
                                  " bytes, and a monitor shows frames without: none would be right");
}

void ForgetReceived(Port& monitor) noexcept {
  for (uint32_t i = 0; i < monitor.shape().rx_rings; i++) {
    Kring& k = monitor.rx(i);
    SpinGuard guard(k.lock);
    k.hwcur = k.hwtail;
    k.Record();
  }
}

Status MonitorPort::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                           std::shared_ptr<Engine> engine, Watchable watched, Ways ways,
                           std::shared_ptr<MonitorPort>* out) {
  if (Status s = CheckWatched(shape.name, watched, ways); !s.ok()) return s;
  std::shared_ptr<MonitorPort> port(new MonitorPort(std::move(region), std::move(stats), shape));
  if (Status s = port->Build(true); !s.ok()) return s;
  port->engine_ = std::move(engine);
  port->watched_ = std::move(watched);
  port->ways_ = ways;
  for (uint32_t i = 0; i < shape.tx_rings; i++) port->tx_flows_.push_back(std::make_unique<MonitorTxFlow>(port->tx(i)));
  for (uint32_t i = 0; i < shape.rx_rings; i++)
    port->rings_.push_back(std::make_unique<MonitorRing>(port->rx(i), port->memory()));
  *out = std::move(port);
  return Status::Ok();
}

Status MonitorPort::CheckVnetHdr(uint8_t len) { return CheckNoVnetHdr(*this, len); }

void MonitorPort::OnVnetHdr(uint8_t) noexcept { ForgetReceived(*this); }

void MonitorPort::OnServed(bool served) noexcept {
  watching_ = nullptr;
  if (!served) return;
  watching_ = std::make_unique<Watching>(engine_, watched_, ways_,
                                         [this](uint32_t ring) -> Onlooker& { return *rings_[ring % rings_.size()]; });
}

}  // namespace ptnet
