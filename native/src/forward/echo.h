// The echo port: what a guest sends comes back to it, with source and destination address exchanged. A small port that
// copies, on top of TxReader and RxWriter.
#pragma once

#include <memory>
#include <vector>

#include "forward/port.h"
#include "forward/tx_flow.h"

namespace ptnet {

/// Serves tx ring i and rx ring i. Nothing is lost: when the rx ring is full, packets stay in the tx ring.
class EchoFlow final : public TxFlow {
 public:
  EchoFlow(Kring& tx, Kring& rx) : TxFlow(tx), rx_(rx) {}
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  void Disarm() noexcept override;
  void Unblock() noexcept override;
  void EndRx() noexcept override;

 private:
  bool HasWork() noexcept override;

  Kring& rx_;
};

class EchoPort final : public Port, public std::enable_shared_from_this<EchoPort> {
 public:
  /// EINVAL when there are not as many rx rings as tx rings.
  static Status Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                       std::shared_ptr<EchoPort>* out);
  Flow* flow(uint32_t i) override { return flows_[i % flows_.size()].get(); }
  std::shared_ptr<void> Anchor() override { return shared_from_this(); }

 private:
  using Port::Port;
  std::vector<std::unique_ptr<EchoFlow>> flows_;
};

}  // namespace ptnet
