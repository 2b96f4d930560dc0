// A VALE switch: a learning Ethernet switch. It knows its members by SwitchMember only: what they are, and what becomes
// of the packets that they are given, is their own affair.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "forward/forwarding_table.h"
#include "forward/lookup.h"
#include "forward/switch_member.h"
#include "memory/status.h"

namespace ptnet {

class Engine;

inline constexpr uint32_t kEthernetHeader = 14;

/// Seconds of a clock that never goes back.
using SecondsClock = uint32_t (*)();
/// The kernel's CLOCK_MONOTONIC_COARSE: it costs next to nothing.
uint32_t CoarseSeconds();

struct SwitchOptions {
  /// How long a full destination whose guest is at work holds the sender's ring before packets are dropped: with fewer
  /// CPUs than threads that guest may just be waiting for one.
  uint64_t patience_ns = 50'000;
  /// Seconds after which a station that sends nothing is unknown again; 0: never, as netmap has it.
  uint32_t age_s = 300;
  SecondsClock clock = CoarseSeconds;
};

class ValeSwitch : public std::enable_shared_from_this<ValeSwitch> {
 public:
  static constexpr uint32_t kPortsMax = PTNET_LOOKUP_PORTS_MAX;

  ValeSwitch(std::string name, std::shared_ptr<Engine> engine, const SwitchOptions& options = {})
      : name_(std::move(name)),
        clock_(options.clock),
        patience_ns_(options.patience_ns),
        engine_(std::move(engine)),
        table_(options.age_s) {}
  ~ValeSwitch();

  const std::string& name() const { return name_; }
  uint64_t patience_ns() const { return patience_ns_.load(std::memory_order_relaxed); }
  /// The time for the table, to be read once a batch.
  uint32_t now_s() const { return table_.age_s() == 0 ? 0 : clock_(); }
  /// From now on, also in traffic.
  void Configure(uint64_t patience_ns, uint32_t age_s) {
    patience_ns_.store(patience_ns, std::memory_order_relaxed);
    table_.set_age_s(age_s);
  }
  /// Adds a member, and gives it its number; ENOSPC beyond 254. `name` is what a lookup function knows it by.
  Status Attach(SwitchMember* member, const std::string& name);
  /// Takes it out and waits until no worker can be delivering to it.
  void Detach(SwitchMember* member);

  SwitchMember* member(uint32_t i) const { return members_[i].load(std::memory_order_acquire); }
  /// Bit i of word w: member 64 * w + i is there.
  uint64_t present(uint32_t w) const { return present_[w].load(std::memory_order_acquire); }
  /// Changes whenever a member leaves: what was looked up before is not to be used any more.
  uint32_t departures() const { return departures_.load(std::memory_order_acquire); }
  ForwardingTable& table() { return table_; }
  /// The lookup function, to be taken once a batch and not kept beyond the poll; null: a learning switch.
  Lookup* lookup() const { return lookup_.load(std::memory_order_acquire); }
  /// From now on; null: as a learning switch. The one before is destroyed when no worker can be in it.
  void SetLookup(std::unique_ptr<Lookup> lookup);

  static constexpr uint32_t kWords = (kPortsMax + 63) / 64;

 private:
  std::string name_;
  const SecondsClock clock_;
  std::atomic<uint64_t> patience_ns_;
  std::shared_ptr<Engine> engine_;
  ForwardingTable table_;
  std::array<std::atomic<SwitchMember*>, kPortsMax> members_{};
  std::array<std::atomic<uint64_t>, kWords> present_{};
  std::atomic<uint32_t> departures_{0};
  std::atomic<Lookup*> lookup_{nullptr};
  std::unique_ptr<Lookup> owned_lookup_;  // the same one
};

}  // namespace ptnet
