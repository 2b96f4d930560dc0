// A netmap port: its netmap_if, its rings in a region and the host's state of them. What the packets do is up to the
// kinds of port: null, pipe, VALE.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datapath/attachable.h"
#include "forward/port_limits.h"
#include "memory/region.h"
#include "ring/kring.h"
#include "stats/area.h"

namespace ptnet {

struct PortShape {
  std::string name;
  uint32_t tx_rings = 1;
  uint32_t rx_rings = 1;
  uint32_t tx_slots = 1024;
  uint32_t rx_slots = 1024;
  uint32_t extra_bufs = 0;
  /// The longest IP packet for a client without virtio-net header, when its sender leaves the cutting to us; 0: any.
  uint32_t mtu = 0;
};

class SwitchMember;

class Port : public Attachable {
 public:
  virtual ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  /// What a port of this shape takes from its region: one netmap_if, its rings (host rings have a place in netmap_if
  /// but no object), a buffer for each slot that owns one.
  static PoolNeeds Needs(const PortShape& shape, bool rx_bufs = true);

  const std::string& name() const override { return shape_.name; }
  const PortShape& shape() const { return shape_; }
  Region& region() const { return *region_; }
  uint64_t nifp_ofs() const { return reinterpret_cast<uint8_t*>(nifp_) - region_->base(); }
  uint32_t rings() const override { return shape_.tx_rings + shape_.rx_rings; }
  Kring& kring(uint32_t i) override { return i < shape_.tx_rings ? tx_[i] : rx_[i - shape_.tx_rings]; }
  Kring& tx(uint32_t i) { return tx_[i]; }
  Kring& rx(uint32_t i) { return rx_[i]; }
  StatsArea& stats() const { return *stats_; }
  /// What it is on a switch; null: it stands on none.
  virtual SwitchMember* on_switch() { return nullptr; }
  /// Once, before anybody serves it. EINVAL for storm control of a port that stands on no switch.
  Status Limit(const PortLimits& limits);

 protected:
  Port(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape);
  /// Allocates and lays out everything. With rx_bufs false rx slots own no buffers.
  Status Build(bool rx_bufs);

 private:
  Status CheckShape() const;
  void BuildRing(Kring* k, Dir dir, uint16_t index, uint32_t num_slots, bool bufs);

  std::shared_ptr<Region> region_;
  std::shared_ptr<StatsArea> stats_;
  PortShape shape_;
  Holder holder_ = 0;
  NetmapIf* nifp_ = nullptr;
  std::vector<Kring> tx_, rx_;
  std::unique_ptr<RateLimit> tx_limit_, rx_limit_;
};

}  // namespace ptnet
