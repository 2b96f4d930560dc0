// The limits of ports and members: who holds back, and who drops.
#include "forward/port_limits.h"

#include <errno.h>

#include <algorithm>

#include "datapath/engine.h"
#include "forward/forwarding_table.h"
#include "forward/port.h"
#include "forward/switch_member.h"

namespace ptnet {
namespace {

constexpr uint64_t kBroadcast = 0xffff'ffff'ffff;

}  // namespace

bool StormControl::Lets(uint64_t dst, uint64_t now_ns) noexcept {
  RateLimit* const limit = limits_[dst == kBroadcast ? 0 : ForwardingTable::IsMulticast(dst) ? 1 : 2].get();
  if (limit == nullptr) return true;
  if (limit->Tokens(now_ns) == 0) return false;
  limit->Take(1, now_ns);
  return true;
}

LimitPointers LimitsOf(RateLimit* tx, const SwitchMember& member) {
  LimitPointers all{tx, member.receive_limit()};
  if (const StormControl* storms = member.storm_control())
    for (uint32_t i = 0; i < 3; i++) all[2 + i] = storms->limit(i);
  return all;
}

void LimitOnSwitch(const PortLimits& limits, std::vector<RingCounters*> received, SwitchMember* member,
                   Engine* engine) {
  const auto received_before = member->LimitReceived(
      limits.rx.per_second > 0 ? std::make_unique<ReceiveLimit>(limits.rx, std::move(received)) : nullptr);
  const auto storms_before =
      member->ControlStorms(limits.controls_storms() ? std::make_unique<StormControl>(limits) : nullptr);
  // Whoever delivers to it now may still have the ones before.
  if (engine != nullptr && (received_before || storms_before)) engine->Synchronize();
}

void HoldFlowsBack(const Rate& rate, const std::vector<HeldFlow>& flows, std::unique_ptr<RateLimit>* limit,
                   Engine* engine) {
  std::unique_ptr<RateLimit> next = rate.Make();
  if (!next && !*limit) return;
  for (const HeldFlow& held : flows) {
    const auto change = [&] {
      if (*limit) held.flow->LetGo(limit->get());
      if (next) held.flow->HoldBack(next.get(), *held.counters, held.k);
    };
    if (engine == nullptr) {
      change();
      continue;
    }
    engine->WithFlow(held.flow, change);
    Engine::Kick(held.flow);  // it may rest until a time that is none any more
  }
  *limit = std::move(next);
}

Status Port::Limit(const PortLimits& limits, Engine* engine) {
  SwitchMember* const member = on_switch();
  if (member == nullptr && limits.controls_storms())
    return Status::Fail(EINVAL, name() + ": storm control: it stands on no switch: a port of one would be right");
  const auto held = [this](uint32_t first, uint32_t rings) {
    std::vector<HeldFlow> flows;
    for (uint32_t i = first; i < first + rings; i++) flows.push_back({flow(i), kring(i).counters, &kring(i)});
    return flows;
  };
  if (member == nullptr) {
    const std::vector<HeldFlow> flows = held(shape_.tx_rings, shape_.rx_rings);
    const bool waits = std::none_of(flows.begin(), flows.end(), [](const HeldFlow& h) { return h.flow == nullptr; });
    if (!waits && limits.rx.per_second > 0)
      return Status::Fail(
          EINVAL,
          name() + ": rate: nothing can be held back of what it brings: a rate of what it watches would be right");
    if (waits) HoldFlowsBack(limits.rx, flows, &rx_limit_, engine);
  }
  HoldFlowsBack(limits.tx, held(0, shape_.tx_rings), &tx_limit_, engine);
  if (member == nullptr) return Status::Ok();
  std::vector<RingCounters*> received;
  for (Kring& k : rx_) received.push_back(k.counters);
  LimitOnSwitch(limits, std::move(received), member, engine);
  return Status::Ok();
}

}  // namespace ptnet
