// VALE: a learning Ethernet switch between netmap ports. The sender's worker copies a batch straight into the rx rings
// of the destinations; a destination without room drops and counts, it never holds the sender back.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "forward/forwarding_table.h"
#include "forward/port.h"
#include "ring/packet.h"

namespace ptnet {

class Engine;
class ValePort;

inline constexpr uint32_t kEthernetHeader = 14;

class ValeSwitch : public std::enable_shared_from_this<ValeSwitch> {
 public:
  static constexpr uint32_t kPortsMax = 254;

  /// How long a full destination whose guest is at work holds the sender's ring before packets are dropped: with fewer
  /// CPUs than threads that guest may just be waiting for one.
  static constexpr uint64_t kPatienceNs = 50'000;

  ValeSwitch(std::string name, std::shared_ptr<Engine> engine, uint64_t patience_ns = kPatienceNs)
      : name_(std::move(name)), patience_ns_(patience_ns), engine_(std::move(engine)) {}
  ~ValeSwitch();

  const std::string& name() const { return name_; }
  uint64_t patience_ns() const { return patience_ns_; }
  /// Adds a port to the switch; ENOSPC beyond 254.
  Status Attach(ValePort* port);
  /// Takes it out and waits until no worker can be delivering to it.
  void Detach(ValePort* port);

  ValePort* port(uint32_t i) const { return ports_[i].load(std::memory_order_acquire); }
  /// Bit i of word w: port 64 * w + i is there.
  uint64_t present(uint32_t w) const { return present_[w].load(std::memory_order_acquire); }
  ForwardingTable& table() { return table_; }

  static constexpr uint32_t kWords = (kPortsMax + 63) / 64;

 private:
  std::string name_;
  uint64_t patience_ns_;
  std::shared_ptr<Engine> engine_;
  ForwardingTable table_;
  std::array<std::atomic<ValePort*>, kPortsMax> ports_{};
  std::array<std::atomic<uint64_t>, kWords> present_{};
};

/// Reads a batch from one tx ring, looks the destinations up and delivers to each of them once.
class ValeFlow final : public Flow {
 public:
  ValeFlow(ValePort& port, Kring& k) : port_(port), k_(k) {}
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  void Disarm() noexcept override;
  void Unblock() noexcept override { k_.Unblock(); }

  static constexpr uint32_t kBatchSlots = 256;

 private:
  static constexpr uint16_t kEnd = UINT16_MAX;
  struct Item {
    Frag frag;
    uint32_t len;    // of the packet, in its first item
    uint16_t next;   // the next packet of the same chain, by its first item
    uint16_t frags;  // of the packet, in its first item
    uint16_t flags;
  };
  struct Chain {
    uint16_t first, last;
  };

  uint32_t ForwardRun(ValeSwitch& sw, uint32_t head, const Budget& budget, Used* used) noexcept;
  uint32_t ForwardBatch(ValeSwitch& sw, uint32_t head) noexcept;
  uint32_t Read(uint32_t head) noexcept;
  void Route(ValeSwitch& sw) noexcept;
  void Append(Chain* chain, uint16_t item) noexcept;
  void DeliverUnicast(ValeSwitch& sw) noexcept;
  void DeliverWithFlood(ValeSwitch& sw) noexcept;
  void DropChain(const Chain& chain) noexcept;
  bool HasWork() noexcept;

  friend class ValeDelivery;

  ValePort& port_;
  Kring& k_;
  uint32_t polls_batched_ = 0;  // before a run is tried again
  bool waits_ = false;           // the last poll left its packets where they are: their destination is full
  uint64_t waits_since_ns_ = 0;  // 0 when it does not
  uint32_t items_ = 0;
  std::array<Item, kBatchSlots> batch_;
  std::array<Chain, ValeSwitch::kPortsMax> chains_;  // valid for the ports in touched_
  std::array<uint8_t, ValeSwitch::kPortsMax> touched_;
  uint32_t touched_count_ = 0;
  std::array<bool, ValeSwitch::kPortsMax> in_touched_{};
  Chain flood_;  // packets for every other port
  uint32_t flooded_ = 0;
  Packet packet_;
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
  uint32_t number() const { return number_; }
  /// False once it has left the switch: then nothing that it sends has a destination.
  bool joined() const { return joined_.load(std::memory_order_relaxed); }

 private:
  friend class ValeSwitch;
  using Port::Port;
  std::shared_ptr<ValeSwitch> switch_;
  uint32_t number_ = 0;  // on the switch
  std::atomic<bool> joined_{false};
  std::vector<std::unique_ptr<ValeFlow>> flows_;
};

}  // namespace ptnet
