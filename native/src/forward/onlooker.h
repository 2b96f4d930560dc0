// Who gets copies of what passes a port, or a member of a switch without rings: a monitor, or a capture.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datapath/engine.h"
#include "forward/interface_member.h"
#include "forward/port.h"
#include "ring/observer.h"
#include "ring/rx_writer.h"

namespace ptnet {

/// As the client sees it: what it has sent, and what it gets. Of a member without a client: what it sends into the
/// switch, and what the switch has for it.
enum class Way : uint8_t { kTx, kRx };

/// Copies what it is shown at once, and never waits for whoever reads the copies: what there is no room for is dropped
/// and counted. Several threads may call it.
class Onlooker {
 public:
  /// So many slots of a ring, whole packets unless their guest has spoilt them meanwhile: read once, and checked.
  virtual void OnSlots(const Kring& k, uint32_t first, uint32_t slots) noexcept = 0;
  /// Packets that lie elsewhere: Begin(), one after the other, End().
  virtual void Begin() noexcept = 0;
  virtual void OnPacket(const Pieces& packet, uint32_t vnet_hdr_len, Way way) noexcept = 0;
  virtual void End() noexcept = 0;

 protected:
  ~Onlooker() = default;
};

/// What can be watched: a port, or a member of a switch that is none.
struct Watchable {
  std::shared_ptr<Port> port;
  std::shared_ptr<InterfaceMember> member;

  const std::string& name() const { return port ? port->name() : member->name_on_switch(); }
};

struct Ways {
  bool tx = false, rx = false;
};

/// Shows what passes there, from the next batch on until its end, when nobody is shown anything any more. The control
/// plane's.
class Watching {
 public:
  /// @param onlooker_of who is shown the i-th ring of a direction: tx ring i, or rx ring i; i is 0 for a member.
  Watching(std::shared_ptr<Engine> engine, Watchable watched, Ways ways,
           const std::function<Onlooker&(uint32_t)>& onlooker_of);
  ~Watching();
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;

 private:
  class RingLane;
  class MemberLane;

  const std::shared_ptr<Engine> engine_;
  const Watchable watched_;
  std::vector<std::unique_ptr<RingLane>> rings_;
  std::vector<std::unique_ptr<MemberLane>> member_;
};

}  // namespace ptnet
