// A tap that stands on a switch without a VM behind it: what the kernel sends on it goes through the switch, and what
// the switch has for it the kernel receives.
#pragma once

#include <memory>
#include <vector>

#include "datapath/engine.h"
#include "forward/member_flow.h"
#include "forward/switch_member.h"
#include "forward/tap_device.h"
#include "stats/area.h"

namespace ptnet {

/// One queue of the tap, on its way to the switch.
class TapMemberFlow final : public MemberFlow {
 public:
  TapMemberFlow(ValeSwitch& sw, const SwitchMember& from, const TapDevice& device, uint32_t queue,
                RingCounters& counters);

 private:
  static constexpr uint32_t kFrames = 64;  // of a batch
  /// Room for the longest frame and a byte more; not a multiple of a page, so that frames lie in all sets of a cache.
  static constexpr uint32_t kStride = (68 << 10) + 64;

  uint64_t Fill(SwitchBatch* batch, const Budget& budget) noexcept override;

  const int queue_;
  const std::unique_ptr<uint8_t[]> frames_;
};

class TapMember final : public SwitchMember {
 public:
  /// Opens the tap and joins the switch.
  static Status Create(std::shared_ptr<Engine> engine, std::shared_ptr<StatsArea> stats, std::shared_ptr<ValeSwitch> sw,
                       const os::TapOptions& options, std::shared_ptr<TapMember>* out);
  ~TapMember();

  /// EINVAL for Policy::kInline, and for a worker that is not there.
  Status CheckService(Policy policy, uint32_t worker) const;
  /// A worker serves it from now on: the interface has a carrier.
  void Start(Policy policy, uint64_t spin_ns, uint32_t worker);
  /// Once, before it is served.
  void Limit(const PortLimits& limits);
  /// Leaves the switch; nothing comes from it any more, and nothing reaches it. Idempotent.
  void Stop();

  bool Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept override;

  TapDevice& device() { return *device_; }
  std::shared_ptr<TapDevice> shared_device() const { return device_; }
  uint32_t queues() const { return device_->queues(); }
  TapMemberFlow& flow(uint32_t i) { return *flows_[i]; }
  /// Of what comes from queue i, and of what goes to it.
  RingCounters& from_tap(uint32_t i) { return *from_tap_[i]; }
  RingCounters& to_tap(uint32_t i) { return *to_tap_[i]; }
  StatsArea& stats() const { return *stats_; }

 private:
  TapMember(std::shared_ptr<Engine> engine, std::shared_ptr<StatsArea> stats, std::shared_ptr<ValeSwitch> sw)
      : engine_(std::move(engine)), stats_(std::move(stats)), switch_(std::move(sw)) {}

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<StatsArea> stats_;
  std::shared_ptr<ValeSwitch> switch_;
  std::shared_ptr<TapDevice> device_;
  std::vector<RingCounters*> from_tap_, to_tap_;
  std::vector<std::unique_ptr<TapMemberFlow>> flows_;
  std::unique_ptr<RateLimit> tx_limit_;
  bool served_ = false;
};

}  // namespace ptnet
