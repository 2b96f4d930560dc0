// A monitor with its client, for its tests.
#pragma once

#include "forward/monitor.h"
#include "traffic.h"

namespace ptnet::test {

inline constexpr Ways kBoth{.tx = true, .rx = true}, kSent{.tx = true}, kReceived{.rx = true};

inline PortShape Shape(uint32_t slots, uint32_t rx_rings = 1) { return {"x/rt", 1, rx_rings, 4, slots, 0}; }

/// A monitor in a region of its own, with its client.
struct MonitorRig {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<MonitorPort> port;
  Guest guest;

  MonitorRig(std::shared_ptr<Engine> e, std::shared_ptr<Port> watched, Ways ways, PortShape shape = Shape(64),
             uint32_t buf_size = 2048)
      : engine(e) {
    CHECK_OK(MonitorPort::Create(MakeRegion(9, 4096, buf_size), stats, shape, e, {watched, nullptr}, ways, &port));
  }
  void Attach(AttachOptions options = {.policy = Policy::kInline}) {
    guest.Attach(engine, *port, options);
    guest.EnableInterrupts();
  }
  RingCounters& rx(uint32_t i = 0) { return *port->rx(i).counters; }
  uint64_t drops(Drop cause, uint32_t i = 0) { return rx(i).drops[static_cast<int>(cause)]; }
  /// The next packet, with the flags of its last slot.
  std::vector<uint8_t> Take(uint16_t* flags = nullptr, uint32_t ring = 0) {
    GuestRing& r = guest.rx(ring);
    auto packet = r.Take();
    if (flags != nullptr) *flags = r.LastPut().flags;
    r.Publish();
    return packet;
  }
};

}  // namespace ptnet::test
