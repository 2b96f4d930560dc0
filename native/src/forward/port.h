// A netmap port: its netmap_if, its rings in a region and the host's state of them. What the packets do is up to the
// kinds of port: null, pipe, VALE.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "datapath/attachable.h"
#include "forward/port_limits.h"
#include "memory/region.h"
#include "ring/kring.h"
#include "stats/area.h"

namespace ptnet {

/// Where a port of another process lies in its region, and how far its rings are: another one goes on with it.
struct PortPlaces {
  struct Ring {
    uint64_t offset = 0;    // in the region
    uint32_t counters = 0;  // block of the statistics
    uint32_t hwcur = 0, hwtail = 0;
    uint8_t vnet_hdr_len = 0;
    // As Kring has them.
    uint16_t room = 0;
    uint32_t offset_max = 0;
    uint64_t offset_mask = 0;
  };
  Holder holder = 0;
  uint64_t nifp_ofs = 0;
  std::vector<Ring> rings;  // tx rings first
};

struct PortShape {
  std::string name;
  uint32_t tx_rings = 1;
  uint32_t rx_rings = 1;
  uint32_t tx_slots = 1024;
  uint32_t rx_slots = 1024;
  uint32_t extra_bufs = 0;
  /// The longest IP packet for a client without virtio-net header, when its sender leaves the cutting to us; 0: any.
  uint32_t mtu = 0;
  /// Where it lies already; null: it is new.
  std::shared_ptr<const PortPlaces> places = nullptr;
  /// The same of the other end of a pipe.
  std::shared_ptr<const PortPlaces> other_places = nullptr;
};

class SwitchMember;

class Port : public Attachable {
 public:
  /// Of each direction: netmap_if counts at least one. Nobody serves it, so its offset is 0: an application of a guest
  /// uses every ring that has an offset, and would wait for ever for a packet that it put there to leave.
  static constexpr uint32_t kHostRings = 1;

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
  PeerMemory& memory() override { return *memory_; }
  Kring& tx(uint32_t i) { return tx_[i]; }
  Kring& rx(uint32_t i) { return rx_[i]; }
  StatsArea& stats() const { return *stats_; }
  /// For another process; while nobody serves it.
  PortPlaces Places();
  /// Of one that has been placed, and that nobody has served yet: how far its rings are by now. EINVAL when they lie
  /// elsewhere.
  Status Advance(const PortPlaces& places);
  /// Before a client comes that reads ring headers and slots, as an application does: what the one before wrote there
  /// is undone. Nobody is attached.
  void RestoreRings();
  /// What it is on a switch; null: it stands on none.
  virtual SwitchMember* on_switch() { return nullptr; }
  /// The port, and the ring of it, where packets of the i-th ring are done with.
  virtual std::pair<Port*, uint32_t> DoneAt(uint32_t ring) { return {this, ring}; }
  /// The port, and the ring of it, that shows the same packets at the same places; null: there is none.
  virtual std::pair<Port*, uint32_t> JoinedTo(uint32_t) { return {nullptr, 0}; }
  /// Whether a client may say where in its buffer each packet begins.
  virtual bool TakesOffsets() const { return true; }
  /// Whether what was said of that lasts, also for the client that comes next.
  virtual bool KeepsOffsets() { return false; }
  /// Whether it shows what passes another one.
  virtual bool is_monitor() const { return false; }
  /// EBUSY while somebody needs the offsets that its rings have.
  Status CheckPlain() override;
  /// Monitors and captures that look at it now: the control plane's.
  uint32_t watchers = 0;
  /// Instead of the limits that it has; `engine` serves it, null: nobody does yet. EINVAL for storm control of a port
  /// that stands on no switch.
  Status Limit(const PortLimits& limits, Engine* engine = nullptr);
  LimitPointers limits();
  /// Gives back what it has of its region, and its counters; nobody attaches to it any more, and it stands on no
  /// switch. EBUSY while a client is attached, or one at the other end of a pipe, or somebody looks at it.
  Status Retire();
  Status CheckRetire();

 protected:
  Port(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape);
  /// Allocates and lays out everything. With rx_bufs false rx slots own no buffers.
  Status Build(bool rx_bufs);

 private:
  Status CheckShape() const;
  void GiveBack();
  Status Adopt(const PortPlaces& places);
  bool SetPlace(Kring* k, const PortPlaces::Ring& place) const;
  bool AdoptRing(Kring* k, Dir dir, uint16_t index, uint32_t num_slots, const PortPlaces::Ring& place);
  void PlaceRing(Kring* k, NetmapRing* ring, Dir dir, uint16_t index, uint32_t num_slots);
  void BuildRing(Kring* k, Dir dir, uint16_t index, uint32_t num_slots, bool bufs);
  void WriteHeader(const Kring& k) const;
  void ForgetOffsets(uint32_t ring);

  friend class PipePair;  // whose ends share what they touch

  std::shared_ptr<Region> region_;
  std::shared_ptr<StatsArea> stats_;
  PortShape shape_;
  Holder holder_ = 0;
  bool retired_ = false;
  bool rings_own_bufs_ = true;  // each of its slots
  NetmapIf* nifp_ = nullptr;
  std::vector<Kring> tx_, rx_;
  std::shared_ptr<PeerMemory> memory_;
  std::unique_ptr<RateLimit> tx_limit_, rx_limit_;
};

}  // namespace ptnet
