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
  /// Changes whenever a port leaves: what was looked up before is not to be used any more.
  uint32_t departures() const { return departures_.load(std::memory_order_acquire); }
  ForwardingTable& table() { return table_; }

  static constexpr uint32_t kWords = (kPortsMax + 63) / 64;

 private:
  std::string name_;
  uint64_t patience_ns_;
  std::shared_ptr<Engine> engine_;
  ForwardingTable table_;
  std::array<std::atomic<ValePort*>, kPortsMax> ports_{};
  std::array<std::atomic<uint64_t>, kWords> present_{};
  std::atomic<uint32_t> departures_{0};
};

/// Reads a batch from one tx ring, looks the destinations up and delivers to each of them once; when the budget ends before
/// that, the next poll goes on with the same batch.
class ValeFlow final : public Flow {
 public:
  ValeFlow(ValePort& port, Kring& k) : port_(port), k_(k) {}
  Used Poll(const Budget& budget) noexcept override;
  bool Arm() noexcept override;
  void Disarm() noexcept override;
  void Unblock() noexcept override { k_.Unblock(); }
  void EndTx() noexcept override;

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
  /// Of the packets for one destination, the next for it alone and the next for everybody; kEnd when there is none.
  struct Left {
    uint16_t unicast, flood;
  };

  uint32_t ForwardRun(ValeSwitch& sw, uint32_t head, const Budget& budget, Used* used) noexcept;
  uint32_t ForwardBatch(ValeSwitch& sw, uint32_t head, const Budget& budget, Used* used) noexcept;
  uint32_t Read(uint32_t head, uint32_t most) noexcept;
  void Route(ValeSwitch& sw) noexcept;
  void AddDestination(uint32_t port) noexcept;
  void Append(Chain* chain, uint16_t item) noexcept;
  void BeginDestination() noexcept;
  bool Deliver(ValeSwitch& sw, const Budget& budget, Used* used) noexcept;
  void DropUnicast() noexcept;
  bool HasWork() noexcept;

  friend class ValeDelivery;

  ValePort& port_;
  Kring& k_;
  uint32_t polls_batched_ = 0;  // before a run is tried again
  bool waits_ = false;           // the last poll left its packets where they are: their destination is full
  uint64_t waits_since_ns_ = 0;  // 0 when it does not
  uint32_t items_ = 0;
  std::array<Item, kBatchSlots> batch_;
  std::array<Chain, ValeSwitch::kPortsMax> chains_;  // of packets for one port; valid for those that are destinations
  Chain flood_;                                      // packets for every other port
  std::array<uint8_t, ValeSwitch::kPortsMax> destinations_;
  uint32_t destinations_count_ = 0;
  std::array<bool, ValeSwitch::kPortsMax> is_destination_{};
  // How far the batch has come.
  bool batch_open_ = false;
  uint32_t batch_end_ = 0;    // hwcur after it
  uint32_t departures_ = 0;   // of the switch when its destinations were looked up
  uint32_t destination_ = 0;  // index of the next one
  Left left_;                 // for that one
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
