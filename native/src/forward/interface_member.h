// An interface of the host that stands on a switch without a VM behind it: how it joins, is served and leaves. How
// frames get to the switch and from there is the kind's own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datapath/engine.h"
#include "forward/host_interface.h"
#include "forward/member_flow.h"
#include "forward/switch_member.h"
#include "stats/area.h"

namespace ptnet {

class InterfaceMember : public SwitchMember {
 public:
  virtual ~InterfaceMember();

  /// EINVAL for Policy::kInline, and for a worker that is not there.
  Status CheckService(Policy policy, uint32_t worker) const;
  /// A worker serves it from now on: the interface has a carrier.
  void Start(Policy policy, uint64_t spin_ns, uint32_t worker);
  /// While it is served; as for Start().
  void SetPolicy(Policy policy, uint64_t spin_ns, uint32_t worker);
  /// Nobody serves it for a while; what it was sending gets there before. Idempotent, as Resume() is.
  void Suspend();
  void Resume();
  /// Instead of the limits that it has.
  void Limit(const PortLimits& limits);
  LimitPointers limits() const { return LimitsOf(tx_limit_.get(), *this); }
  /// Leaves the switch; nothing comes from it any more, and nothing reaches it. Idempotent.
  void Stop();
  /// Opens its interface, which is gone, again.
  Status Reopen();

  HostInterface& device() { return *interface_; }
  std::shared_ptr<HostInterface> shared_device() const { return interface_; }
  uint32_t queues() const { return interface_->queues(); }
  MemberFlow& flow(uint32_t i) { return *flows_[i]; }
  /// Of what comes from queue i of the kernel, and of what goes to it.
  RingCounters& from_kernel(uint32_t i) { return *from_kernel_[i]; }
  RingCounters& to_kernel(uint32_t i) { return *to_kernel_[i]; }
  StatsArea& stats() const { return *stats_; }
  /// Of the statistics: those of from_kernel(), then those of to_kernel().
  std::vector<uint32_t> blocks() const;

 protected:
  InterfaceMember(std::shared_ptr<Engine> engine, std::shared_ptr<StatsArea> stats, std::shared_ptr<ValeSwitch> sw)
      : engine_(std::move(engine)), stats_(std::move(stats)), switch_(std::move(sw)) {}

  /// Counters for so many queues; ENOMEM.
  Status AllocCounters(const std::string& object, uint32_t queues);
  /// The counters that it had in another process, as blocks() names them: it waits for Resume(). EINVAL when they are
  /// not free here.
  Status TakeCounters(const std::string& object, uint32_t queues, const std::vector<uint32_t>& blocks);
  /// The interface that has been opened, and its flows, a queue each: joins the switch. The kind's own destructor
  /// begins with Stop(), as others deliver until then.
  Status Join(std::shared_ptr<HostInterface> opened, std::vector<std::unique_ptr<MemberFlow>> flows);
  ValeSwitch& vale() const { return *switch_; }
  /// The queue for what comes by a lane.
  uint32_t QueueFor(uint32_t lane) const noexcept {
    while (lane >= queues()) lane -= queues();
    return lane;
  }
  /// What became of a delivery to queue i. Several senders deliver at once.
  struct Delivered {
    uint64_t packets = 0, bytes = 0, drops[static_cast<int>(Drop::kCount)] = {};
    void CountDrop(Drop cause, uint64_t n = 1) { drops[static_cast<int>(cause)] += n; }
  };
  void Count(uint32_t queue, const Delivered& delivered) noexcept;

  const std::shared_ptr<Engine> engine_;

 private:
  const std::shared_ptr<StatsArea> stats_;
  const std::shared_ptr<ValeSwitch> switch_;
  std::shared_ptr<HostInterface> interface_;
  std::vector<RingCounters*> from_kernel_, to_kernel_;
  std::vector<std::unique_ptr<MemberFlow>> flows_;
  std::unique_ptr<RateLimit> tx_limit_;
  void Acquire();

  bool served_ = false;
  bool suspended_ = false;
  // How it is served.
  Policy policy_ = Policy::kNotify;
  uint64_t spin_ns_ = 0;
  uint32_t worker_ = 0;
};

}  // namespace ptnet
