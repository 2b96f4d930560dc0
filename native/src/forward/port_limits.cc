// The limits of ports and members: who holds back, and who drops.
#include "forward/port_limits.h"

#include <errno.h>

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

void LimitOnSwitch(const PortLimits& limits, std::vector<RingCounters*> received, SwitchMember* member) {
  if (limits.rx.per_second > 0) member->LimitReceived(std::make_unique<ReceiveLimit>(limits.rx, std::move(received)));
  if (limits.controls_storms()) member->ControlStorms(std::make_unique<StormControl>(limits));
}

Status Port::Limit(const PortLimits& limits) {
  SwitchMember* const member = on_switch();
  if (member == nullptr && limits.controls_storms())
    return Status::Fail(EINVAL, name() + ": storm control: it stands on no switch: a port of one would be right");
  auto hold = [&](const Rate& rate, std::unique_ptr<RateLimit>* limit, uint32_t first, uint32_t rings) {
    *limit = rate.Make();
    for (uint32_t i = first; *limit && i < first + rings; i++)
      flow(i)->HoldBack(limit->get(), *kring(i).counters, &kring(i));
  };
  hold(limits.tx, &tx_limit_, 0, shape_.tx_rings);
  if (member == nullptr) {
    hold(limits.rx, &rx_limit_, shape_.tx_rings, shape_.rx_rings);
    return Status::Ok();
  }
  std::vector<RingCounters*> received;
  for (Kring& k : rx_) received.push_back(k.counters);
  LimitOnSwitch(limits, std::move(received), member);
  return Status::Ok();
}

}  // namespace ptnet
