// The lookup function of a switch: where packets go, when that is not simply where a learning switch sends them. Those
// that are built in; forward/lookup_plugin.h has those that are loaded.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../include/ptnetmap/lookup.h"

namespace ptnet {

/// A set of a switch's ports: bit i of word w is port 64 * w + i.
using PortSet = std::array<uint64_t, (PTNET_LOOKUP_PORTS_MAX + 63) / 64>;
inline constexpr PortSet kAllPorts{~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}};

class Lookup {
 public:
  Lookup() = default;
  virtual ~Lookup() = default;
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  /// As ptnet_lookup_functions::find. Any number of workers at once.
  virtual void Find(const ptnet_lookup_batch& batch) noexcept = 0;
  /// Whether it needs heads that nobody else writes to; otherwise they may be a guest's memory, and are to be read
  /// once.
  virtual bool copies_heads() const noexcept { return false; }
  /// Whether it says of all packets that they go where a learning switch sends them: a run may go its short way.
  virtual bool learns() const noexcept { return false; }
  /// Whom packets of one port may reach at all, whatever Find() says.
  virtual bool Reaches(uint32_t /*source*/, uint32_t /*port*/) const noexcept { return true; }
  /// The same, of all ports.
  virtual PortSet ReachOf(uint32_t /*source*/) const noexcept { return kAllPorts; }

  // The control plane's: a port with this number is about to join; it has left, and no worker knows it any more.

  virtual void Joined(uint32_t /*port*/, const std::string& /*name*/) {}
  virtual void Left(uint32_t /*port*/) {}
};

/// Everything goes to everybody.
class HubLookup final : public Lookup {
 public:
  void Find(const ptnet_lookup_batch& batch) noexcept override;
};

/// Stations are where a table says; broadcast and multicast go to everybody.
class StaticLookup final : public Lookup {
 public:
  /// An address as ForwardingTable::MacAt, and the name of its port.
  using Station = std::pair<uint64_t, std::string>;

  /// @param unknown what becomes of packets for other addresses: PTNET_LOOKUP_DROP or PTNET_LOOKUP_FLOOD.
  StaticLookup(const std::vector<Station>& stations, uint32_t unknown);
  void Find(const ptnet_lookup_batch& batch) noexcept override;
  void Joined(uint32_t port, const std::string& name) override;
  void Left(uint32_t port) override;

 private:
  struct Entry {
    uint64_t mac = 0;  // nobody's address
    uint32_t name = 0;
  };
  uint32_t Where(uint64_t mac) const noexcept;
  uint32_t Slot(uint64_t mac) const noexcept { return static_cast<uint32_t>(mac * 0x9E3779B97F4A7C15u >> shift_); }

  const uint32_t unknown_;
  uint32_t shift_ = 63;
  std::vector<Entry> entries_;  // a power of two; a station that finds its place taken has the next free one
  std::unordered_map<std::string, uint32_t> names_;
  std::vector<std::atomic<uint32_t>> ports_;  // by name; kAbsent
};

/// A learning switch whose isolated ports reach the promiscuous ones only, as in a private VLAN (RFC 5517): those of
/// one community reach each other too.
class IsolatedLookup final : public Lookup {
 public:
  /// @param communities lists of names; whoever is in no list is isolated.
  IsolatedLookup(const std::vector<std::string>& promiscuous, const std::vector<std::vector<std::string>>& communities);
  void Find(const ptnet_lookup_batch& batch) noexcept override;
  bool learns() const noexcept override { return true; }
  bool Reaches(uint32_t source, uint32_t port) const noexcept override;
  PortSet ReachOf(uint32_t source) const noexcept override;
  void Joined(uint32_t port, const std::string& name) override;
  void Left(uint32_t port) override;

 private:
  static constexpr uint16_t kIsolated = 0, kPromiscuous = 1;  // those of communities follow

  std::unordered_map<std::string, uint16_t> groups_;
  std::array<std::atomic<uint16_t>, PTNET_LOOKUP_PORTS_MAX> group_{};  // by number of the port
};

}  // namespace ptnet
