// What a port lets through in a second: bytes in each direction, and, on a switch, packets that go to everybody.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "datapath/rate_limit.h"
#include "stats/counters.h"

namespace ptnet {

class Engine;
class Flow;
class SwitchMember;
struct Kring;

/// A rate in units a second, and how many of them may come at once; 0 a second: no limit.
struct Rate {
  double per_second = 0;
  uint64_t burst = 0;

  std::unique_ptr<RateLimit> Make() const {
    return per_second > 0 ? std::make_unique<RateLimit>(per_second, burst) : nullptr;
  }
};

struct PortLimits {
  Rate tx{}, rx{};                                   // bytes of what the port's client sends, and of what it gets
  Rate broadcast{}, multicast{}, unknown_unicast{};  // packets of what it sends

  bool controls_storms() const { return broadcast.per_second + multicast.per_second + unknown_unicast.per_second > 0; }
};

/// The limit of what a member of a switch gets, and where it is counted what is too much: by the sender's lane.
class ReceiveLimit final : public RateLimit {
 public:
  ReceiveLimit(const Rate& rate, std::vector<RingCounters*> counters)
      : RateLimit(rate.per_second, rate.burst), counters_(std::move(counters)) {}
  /// Any number of threads.
  void CountDrop(uint32_t lane, uint64_t packets) noexcept {
    counters_[lane % counters_.size()]->CountSharedDrop(Drop::kRate, packets);
  }

 private:
  const std::vector<RingCounters*> counters_;
};

/// How many packets that a switch sends to everybody it takes from one member.
class StormControl {
 public:
  explicit StormControl(const PortLimits& limits)
      : limits_{limits.broadcast.Make(), limits.multicast.Make(), limits.unknown_unicast.Make()} {}
  /// @param dst of a packet without a known destination: its address, as ForwardingTable::MacAt.
  bool Lets(uint64_t dst, uint64_t now_ns) noexcept;
  /// 0: of broadcasts, 1: of multicasts, 2: of unknown unicasts. Null: there is none.
  RateLimit* limit(uint32_t i) const { return limits_[i].get(); }

 private:
  std::array<std::unique_ptr<RateLimit>, 3> limits_;
};

/// Those that a port or a member has, null for none: tx, rx, broadcast, multicast, unknown unicast.
using LimitPointers = std::array<RateLimit*, 5>;
/// @param member of the switch that it stands on.
LimitPointers LimitsOf(RateLimit* tx, const SwitchMember& member);

/// Of a member of a switch, instead of those that it has: what it gets, counted in `received` by lane, and the storms
/// that it makes. `engine` serves it; null: nobody does yet.
void LimitOnSwitch(const PortLimits& limits, std::vector<RingCounters*> received, SwitchMember* member, Engine* engine);

/// A flow that is held back by what is counted in a block of counters, of a ring if it has one.
struct HeldFlow {
  Flow* flow;
  const RingCounters* counters;
  const Kring* k;
};
/// The limit of some flows together, instead of `limit`. `engine` as above.
void HoldFlowsBack(const Rate& rate, const std::vector<HeldFlow>& flows, std::unique_ptr<RateLimit>* limit,
                   Engine* engine);

}  // namespace ptnet
