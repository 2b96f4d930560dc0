// The monitor port: its rx rings bring copies of what passes another port, or a member of a switch, while a client is
// there. It never holds that one back: what its client does not take in time is dropped, and counted.
#pragma once

#include <memory>
#include <vector>

#include "forward/monitor_ring.h"
#include "forward/tx_flow.h"

namespace ptnet {

/// What a monitor's client sends goes nowhere.
class MonitorTxFlow : public TxFlow {
 public:
  using TxFlow::TxFlow;
  Used Poll(const Budget& budget) noexcept override;
};

// What monitors have in common.

/// EINVAL for a monitor of a monitor, or of neither direction.
Status CheckWatched(const std::string& monitor, const Watchable& watched, Ways ways);
/// EINVAL for a client whose packets would begin with a virtio-net header.
Status CheckNoVnetHdr(const Port& monitor, uint8_t len);
/// What lies in its rx rings is nobody's any more. Nobody is attached.
void ForgetReceived(Port& monitor) noexcept;

class MonitorPort final : public Port, public std::enable_shared_from_this<MonitorPort> {
 public:
  /// Ring i of what is watched comes by rx ring i, modulo their number. EINVAL for a monitor of a monitor, or of
  /// neither direction.
  static Status Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                       std::shared_ptr<Engine> engine, Watchable watched, Ways ways, std::shared_ptr<MonitorPort>* out);

  Flow* flow(uint32_t i) override { return i < tx_flows_.size() ? tx_flows_[i].get() : nullptr; }
  std::shared_ptr<void> Anchor() override { return shared_from_this(); }
  bool is_monitor() const override { return true; }
  /// It shows frames: EINVAL.
  Status CheckVnetHdr(uint8_t len) override;
  /// A client sees nothing of what passed before it came.
  void OnVnetHdr(uint8_t len) noexcept override;
  void OnServed(bool served) noexcept override;

 private:
  using Port::Port;

  std::shared_ptr<Engine> engine_;
  Watchable watched_;
  Ways ways_;
  std::vector<std::unique_ptr<MonitorTxFlow>> tx_flows_;
  std::vector<std::unique_ptr<MonitorRing>> rings_;
  std::unique_ptr<Watching> watching_;  // while a client is there
};

}  // namespace ptnet
