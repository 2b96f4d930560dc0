// A zero-copy monitor with its client, for its tests.
#pragma once

#include <set>

#include "forward/zcopy_monitor.h"
#include "monitor_rig.h"

namespace ptnet::test {

inline constexpr AttachOptions kInline{.policy = Policy::kInline};

inline std::shared_ptr<Port> Alias(std::shared_ptr<PipePair> pair, Port& end) { return {pair, &end}; }

struct ZcopyRig {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<ZcopyMonitorPort> port;
  Guest guest;

  ZcopyRig(std::shared_ptr<Engine> e, std::shared_ptr<Port> watched, Ways ways = kBoth, uint32_t slots = 64)
      : engine(e) {
    const std::shared_ptr<Region> region(watched, &watched->region());
    CHECK_OK(ZcopyMonitorPort::Create(region, stats, {"x/z", 1, 1, 4, slots, 0}, e, {watched, nullptr}, ways, &port));
  }
  void Attach(AttachOptions options = kInline) {
    guest.Attach(engine, *port, options);
    guest.EnableInterrupts();
  }
  RingCounters& rx() { return *port->rx(0).counters; }
  uint64_t drops(Drop cause) { return rx().drops[static_cast<int>(cause)]; }
  std::vector<uint8_t> Take(uint16_t* flags = nullptr) {
    GuestRing& r = guest.rx();
    auto packet = r.Take();
    if (flags != nullptr) *flags = r.LastPut().flags;
    r.Publish();
    return packet;
  }
  /// What its client has given back and nobody else tells of.
  void LookAgain() { port->LookAgain(); }
};

/// Every slot of these rings shows a buffer of its own, and there are as many as ever.
inline void CheckBuffers(std::initializer_list<Kring*> rings) {
  std::set<uint32_t> seen;
  size_t slots = 0;
  for (Kring* k : rings) {
    for (uint32_t i = 0; i < k->num_slots; i++) {
      CHECK(k->ValidBuf(k->slots[i].buf_idx));
      seen.insert(k->slots[i].buf_idx);
    }
    slots += k->num_slots;
  }
  CHECK_EQ(seen.size(), slots);
}

}  // namespace ptnet::test
