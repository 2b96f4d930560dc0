// InterfaceMember: joining and leaving, and counters that several senders share.
#include "forward/interface_member.h"

#include <errno.h>

#include <utility>

namespace ptnet {
namespace {

void AddShared(uint64_t& counter, uint64_t n) {
  if (n > 0) std::atomic_ref<uint64_t>(counter).fetch_add(n, std::memory_order_relaxed);
}

}  // namespace

Status InterfaceMember::AllocCounters(const std::string& object, uint32_t queues) {
  if (stats_->available() < 2 * queues) return Status::Fail(ENOMEM, object + ": no counters left: fewer rings");
  for (uint32_t i = 0; i < queues; i++) {
    from_kernel_.push_back(stats_->Alloc());
    to_kernel_.push_back(stats_->Alloc());
  }
  return Status::Ok();
}

Status InterfaceMember::TakeCounters(const std::string& object, uint32_t queues, const std::vector<uint32_t>& blocks) {
  for (uint32_t i = 0; i < blocks.size(); i++) {
    RingCounters* const counters = stats_->Take(blocks[i]);
    if (counters != nullptr) (i < queues ? from_kernel_ : to_kernel_).push_back(counters);
  }
  suspended_ = true;
  const bool all = from_kernel_.size() == queues && to_kernel_.size() == queues;
  return all && blocks.size() == 2 * queues ? Status::Ok()
                                            : Status::Fail(EINVAL, object + ": taken over: its counters are not there");
}

std::vector<uint32_t> InterfaceMember::blocks() const {
  std::vector<uint32_t> blocks;
  for (const auto* counters : {&from_kernel_, &to_kernel_})
    for (const RingCounters* c : *counters) blocks.push_back(stats_->IndexOf(c));
  return blocks;
}

Status InterfaceMember::Join(std::shared_ptr<HostInterface> opened, std::vector<std::unique_ptr<MemberFlow>> flows) {
  interface_ = std::move(opened);
  flows_ = std::move(flows);
  return switch_->Attach(this, interface_->object());
}

InterfaceMember::~InterfaceMember() {
  for (auto* counters : {&from_kernel_, &to_kernel_})
    for (RingCounters* c : *counters) stats_->Free(c);
}

Status InterfaceMember::CheckService(Policy policy, uint32_t worker) const {
  const std::string& object = interface_->object();
  if (policy == Policy::kInline)
    return Status::Fail(EINVAL, object + ": no kick comes for a member, so inline does not do: notify would be right");
  if (worker >= engine_->workers())
    return Status::Fail(EINVAL, object + ": worker " + std::to_string(worker) + " is not there: use 0 to " +
                                    std::to_string(engine_->workers() - 1));
  return Status::Ok();
}

void InterfaceMember::Start(Policy policy, uint64_t spin_ns, uint32_t worker) {
  policy_ = policy, spin_ns_ = spin_ns, worker_ = worker;
  served_ = true;
  // Whether it has a carrier the process says that had it.
  if (suspended_) return;
  Acquire();
  interface_->SetCarrier(true);
}

void InterfaceMember::Acquire() {
  auto activity = std::make_shared<DeviceActivity>();
  for (auto& flow : flows_) engine_->Acquire(flow.get(), activity, policy_, spin_ns_, worker_);
}

void InterfaceMember::Suspend() {
  if (!served_ || std::exchange(suspended_, true)) return;
  for (auto& flow : flows_) {
    engine_->WithFlow(flow.get(), [&flow] { flow->Settle(); });
    engine_->ReleaseFlow(flow.get());
  }
  engine_->ForgetReleased();
}

void InterfaceMember::Resume() {
  if (std::exchange(suspended_, false) && served_) Acquire();
}

void InterfaceMember::SetPolicy(Policy policy, uint64_t spin_ns, uint32_t worker) {
  policy_ = policy, spin_ns_ = spin_ns, worker_ = worker;
  for (auto& flow : flows_)
    if (served_ && !suspended_) engine_->Move(flow.get(), policy, spin_ns, worker);
}

void InterfaceMember::Limit(const PortLimits& limits) {
  LimitOnSwitch(limits, to_kernel_, this, engine_.get());
  std::vector<HeldFlow> flows;
  for (uint32_t i = 0; i < queues(); i++) flows.push_back({flows_[i].get(), from_kernel_[i], nullptr});
  HoldFlowsBack(limits.tx, flows, &tx_limit_, engine_.get());
}

void InterfaceMember::Stop() {
  if (std::exchange(served_, false)) {
    interface_->SetCarrier(false);
    for (auto& flow : flows_) {
      if (!suspended_) engine_->ReleaseFlow(flow.get());
      flow->EndTx();
    }
    engine_->ForgetReleased();
  }
  switch_->Detach(this);
}

Status InterfaceMember::Reopen() {
  const auto quiet = [this](uint32_t queue, const std::function<void()>& fn) {
    MemberFlow* const flow = flows_[queue].get();
    engine_->WithFlow(flow, [flow, &fn] {
      flow->EndTx();
      fn();
    });
  };
  if (Status s = interface_->Reopen(quiet); !s.ok()) return s;
  for (auto& flow : flows_) engine_->WatchAnew(flow.get());
  return Status::Ok();
}

void InterfaceMember::Count(uint32_t queue, const Delivered& delivered) noexcept {
  RingCounters& c = *to_kernel_[queue];
  AddShared(c.packets, delivered.packets);
  AddShared(c.bytes, delivered.bytes);
  AddShared(c.syncs, 1);
  for (int i = 0; i < static_cast<int>(Drop::kCount); i++) AddShared(c.drops[i], delivered.drops[i]);
}

}  // namespace ptnet
