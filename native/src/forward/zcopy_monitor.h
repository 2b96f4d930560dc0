// The zero-copy monitor: its rx rings bring the packets of a port of the same region themselves, once whoever had them
// is done with them. Several stand on each other: the next one gets what the client of the one before gives back.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "forward/monitor.h"
#include "forward/observe.h"
#include "forward/swap_ring.h"

namespace ptnet {

class ZcopyMonitorPort;

/// One way of one pair of rings of what is watched, on its way to one rx ring of the monitor.
class ZcopyLane final : public SlotTaker {
 public:
  /// Ring i of the monitor's rx rings gets what was sent, or received.
  ZcopyLane(ZcopyMonitorPort& owner, SwapRing& to, uint32_t i, bool sent);
  void OnDone(Kring& k, uint32_t from, uint32_t slots) noexcept override;

  // The control plane's.

  /// Behind all those who take the same already.
  void Link(Engine& engine, Port& watched);
  /// Those behind it stand where it stood.
  void Unlink(Engine& engine);

  /// Any thread, while a ring has nobody to serve it: takes what its client has given back since.
  void LookAgain() noexcept;

 private:
  struct Place {
    Port* port = nullptr;
    uint32_t ring = 0;  // of the port
    bool sent = false;
    ZcopyLane* lane() const { return static_cast<ZcopyLane*>(TakerOf(*port, ring, sent)); }
  };

  /// Where what its monitor is done with is found.
  Place Behind() const;
  void StandAt(Engine& engine, const Place& place);

  ZcopyMonitorPort& owner_;
  const uint32_t ring_;
  const bool sent_;
  SwapRing& to_;
  Place at_;
  SwapSource source_;                    // set while nobody calls OnDone()
  std::atomic<Kring*> looked_{nullptr};  // what to look at again; null: its flow tells
  PeerMemory* looked_memory_ = nullptr;  // its client's; set while looked_ is null and no worker looks
};

/// What a monitor's client sends goes nowhere; now and then what nobody tells of is looked at.
class ZcopyTxFlow final : public MonitorTxFlow {
 public:
  ZcopyTxFlow(Kring& k, ZcopyMonitorPort& port) : MonitorTxFlow(k), port_(port) {}
  Used Poll(const Budget& budget) noexcept override;
  uint64_t Due() const noexcept override { return due_ns_; }
  void EndTx() noexcept override { due_ns_ = 0; }

  static constexpr uint64_t kLookNs = 10'000'000;

 private:
  ZcopyMonitorPort& port_;
  uint64_t due_ns_ = 0;
};

class ZcopyMonitorPort final : public Port, public std::enable_shared_from_this<ZcopyMonitorPort> {
 public:
  /// EINVAL for a monitor of a monitor, of neither direction, of what has no rings or another region, and unless it has
  /// an rx ring for each pair of rings.
  static Status Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                       std::shared_ptr<Engine> engine, Watchable watched, Ways ways,
                       std::shared_ptr<ZcopyMonitorPort>* out);

  Flow* flow(uint32_t i) override { return i < tx_flows_.size() ? tx_flows_[i].get() : nullptr; }
  std::shared_ptr<void> Anchor() override { return shared_from_this(); }
  bool is_monitor() const override { return true; }
  /// It shows packets as they are, and has none of its own: EINVAL.
  Status CheckVnetHdr(uint8_t len) override;
  /// A client sees nothing of what passed before it came.
  void OnVnetHdr(uint8_t len) noexcept override;
  void OnServed(bool served) noexcept override;
  void LookAgain() noexcept;

 private:
  using Port::Port;

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Port> watched_;
  std::vector<std::unique_ptr<ZcopyTxFlow>> tx_flows_;
  std::vector<std::unique_ptr<SwapRing>> swaps_;  // one for each rx ring
  std::vector<std::unique_ptr<ZcopyLane>> lanes_;
  bool linked_ = false;
};

}  // namespace ptnet
