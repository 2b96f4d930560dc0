// VALE ports: members of a switch whose other side are a guest's rings. The sender's worker copies a batch straight
// into the rx rings of the destinations; a destination without room drops and counts, it never holds the sender back.
#pragma once

#include <memory>
#include <vector>

#include "forward/bounce.h"
#include "forward/port.h"
#include "forward/switch_batch.h"
#include "forward/tx_flow.h"
#include "forward/vale_switch.h"

namespace ptnet {

class ValePort;

/// Reads a batch from one tx ring, looks the destinations up and delivers to each of them once; when the budget ends
/// before that, the next poll goes on with the same batch.
class ValeFlow final : public TxFlow {
 public:
  ValeFlow(ValePort& port, Kring& k) : TxFlow(k), port_(port) {}
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  void EndTx() noexcept override;
  void Settle() noexcept override;

 private:
  uint32_t ForwardRun(ValeSwitch& sw, uint32_t head, const Budget& budget, Used* used) noexcept;
  uint32_t ForwardBatch(ValeSwitch& sw, uint32_t head, const Budget& budget, Used* used) noexcept;
  uint32_t Read(uint32_t head, uint32_t most) noexcept;
  void CountNowhere(uint64_t packets) noexcept;

  ValePort& port_;
  uint32_t polls_batched_ = 0;   // before a run is tried again
  bool waits_ = false;           // the last poll left its packets where they are: their destination is full
  uint64_t waits_since_ns_ = 0;  // 0 when it does not
  SwitchBatch batch_;
  bool batch_open_ = false;    // it is not delivered as a whole yet
  bool batch_copied_ = false;  // into bounce_
  uint32_t batch_end_ = 0;     // hwcur after it
  Bounce bounce_;              // for who is measured
};

/// The guest-ring member: delivers into the rx rings of a port.
class RingMember final : public SwitchMember {
 public:
  explicit RingMember(Port& port) : port_(port) {}
  bool Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept override;
  bool DeliverRun(ValeRun* run, uint32_t lane) noexcept override;

 private:
  Kring& RingFor(uint32_t lane) noexcept;

  Port& port_;
};

class ValePort final : public Port, public std::enable_shared_from_this<ValePort> {
 public:
  static Status Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                       std::shared_ptr<ValeSwitch> sw, std::shared_ptr<ValePort>* out);
  ~ValePort() override;
  /// Leaves the switch; the port stays usable but nothing reaches it any more.
  void Leave();

  Flow* flow(uint32_t i) override { return i < flows_.size() ? flows_[i].get() : nullptr; }
  std::shared_ptr<void> Anchor() override { return shared_from_this(); }
  ValeSwitch* vale() const { return switch_.get(); }
  const SwitchMember& member() const { return member_; }
  SwitchMember* on_switch() override { return &member_; }
  uint32_t number() const { return member_.number(); }
  bool joined() const { return member_.joined(); }

 private:
  using Port::Port;
  std::shared_ptr<ValeSwitch> switch_;
  RingMember member_{*this};
  std::vector<std::unique_ptr<ValeFlow>> flows_;
};

}  // namespace ptnet
