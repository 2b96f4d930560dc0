// Pipes: two ports in one region whose rings are joined slot by slot. A slot that one end publishes appears at the
// same index in the other's rx ring; nothing is copied and nothing is lost, a full pipe holds the sender back.
#pragma once

#include <memory>
#include <vector>

#include "forward/port.h"

namespace ptnet {

class PipePair;

/// Joins one end's tx ring to the other end's rx ring, both directions of state at once: slots forward, room back.
class PumpFlow final : public Flow {
 public:
  PumpFlow(Kring& tx, Kring& rx) : tx_(tx), rx_(rx) {}
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  void Disarm() noexcept override;
  void Unblock() noexcept override {
    tx_.Unblock();
    rx_.Unblock();
  }
  void EndRx() noexcept override;

 private:
  /// What a Poll has done, which is counted when it is recorded.
  struct Done {
    uint32_t released = 0, passed = 0;  // slots
    uint64_t packets = 0, bytes = 0;
    uint32_t bad_bufs = 0;
  };
  uint32_t NextReplaced(uint32_t from, uint32_t to) const noexcept;
  bool Replace(uint32_t i) noexcept;
  void TakeReleased(uint32_t most, Done* done) noexcept;
  uint32_t PassSlots(uint32_t from, uint32_t to, uint64_t* bytes) noexcept;
  uint32_t PassRun(uint32_t from, uint32_t to, uint64_t* bytes) noexcept;
  void PassPublished(uint32_t most, Done* done) noexcept;
  void Record(const Done& done) noexcept;
  bool HasWork() noexcept;

  Kring& tx_;
  Kring& rx_;
};

class PipeEnd final : public Port {
 public:
  Flow* flow(uint32_t i) override;
  std::shared_ptr<void> Anchor() override;
  /// What it sends lies in the other end's rx ring until that gives it back.
  std::pair<Port*, uint32_t> DoneAt(uint32_t ring) override;
  std::pair<Port*, uint32_t> JoinedTo(uint32_t ring) override;
  /// What both ends see: while somebody is at the other one.
  bool KeepsOffsets() override;
  /// Nothing is copied here, so both ends have to have the same; EINVAL.
  Status CheckVnetHdr(uint8_t len) override;

 private:
  friend class PipePair;
  using Port::Port;
  PipeEnd& Other() const;
  PipePair* pair_ = nullptr;
  std::vector<PumpFlow*> flows_;
};

/// Both ends; they live and die together.
class PipePair : public std::enable_shared_from_this<PipePair> {
 public:
  /// `master` shapes the master end; the slave end is its mirror image.
  static Status Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& master,
                       const std::string& slave_name, std::shared_ptr<PipePair>* out);
  PipeEnd& master() { return *master_; }
  PipeEnd& slave() { return *slave_; }

 private:
  PipePair() = default;
  std::unique_ptr<PipeEnd> master_, slave_;
  std::vector<std::unique_ptr<PumpFlow>> pumps_;
};

}  // namespace ptnet
