// VALE's control side: members joining and leaving a switch, and the ports that are some of them.
#include "forward/vale.h"

#include <errno.h>
#include <time.h>

#include <cassert>

#include "datapath/engine.h"

namespace ptnet {

uint32_t CoarseSeconds() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
  return static_cast<uint32_t>(ts.tv_sec);
}

ValeSwitch::~ValeSwitch() {
  for (auto& member : members_) assert(member.load() == nullptr);
}

Status ValeSwitch::Attach(SwitchMember* member, const std::string& name) {
  for (uint32_t i = 0; i < kPortsMax; i++) {
    if (members_[i].load(std::memory_order_relaxed) != nullptr) continue;
    member->number_ = i;
    member->name_ = name;
    if (owned_lookup_) owned_lookup_->Joined(i, name);
    members_[i].store(member, std::memory_order_release);
    present_[i / 64].fetch_or(uint64_t{1} << (i % 64), std::memory_order_release);
    member->joined_ = true;
    return Status::Ok();
  }
  return Status::Fail(ENOSPC, name_ + ": the switch is full: it has 254 ports");
}

void ValeSwitch::Detach(SwitchMember* member) {
  // First, so that nothing is learned for a place that is being given up.
  if (!member->joined_.exchange(false)) return;
  const uint32_t i = member->number_;
  present_[i / 64].fetch_and(~(uint64_t{1} << (i % 64)), std::memory_order_release);
  members_[i].store(nullptr, std::memory_order_release);
  departures_.fetch_add(1, std::memory_order_release);
  engine_->Synchronize();
  // After that nobody learns this member any more.
  table_.Forget(i);
  if (owned_lookup_) owned_lookup_->Left(i);
}

void ValeSwitch::SetLookup(std::unique_ptr<Lookup> lookup) {
  for (uint32_t i = 0; lookup && i < kPortsMax; i++)
    if (const SwitchMember* there = member(i)) lookup->Joined(i, there->name_on_switch());
  lookup_.store(lookup.get(), std::memory_order_release);
  engine_->Synchronize();
  owned_lookup_ = std::move(lookup);
}

Status ValePort::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                        std::shared_ptr<ValeSwitch> sw, std::shared_ptr<ValePort>* out) {
  std::shared_ptr<ValePort> port(new ValePort(std::move(region), std::move(stats), shape));
  if (Status s = port->Build(true); !s.ok()) return s;
  for (uint32_t i = 0; i < shape.tx_rings; i++) port->flows_.push_back(std::make_unique<ValeFlow>(*port, port->tx(i)));
  port->switch_ = std::move(sw);
  if (Status s = port->switch_->Attach(&port->member_, shape.name); !s.ok()) return s;
  *out = std::move(port);
  return Status::Ok();
}

void ValePort::Leave() {
  if (switch_ != nullptr) switch_->Detach(&member_);
}

ValePort::~ValePort() { Leave(); }

}  // namespace ptnet
