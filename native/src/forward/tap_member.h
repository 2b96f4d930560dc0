// A tap that stands on a switch without a VM behind it: what the kernel sends on it goes through the switch, and what
// the switch has for it the kernel receives.
#pragma once

#include <memory>

#include "forward/interface_member.h"
#include "forward/tap_device.h"

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

  const TapDevice& device_;
  const int queue_;
  const std::unique_ptr<uint8_t[]> frames_;
};

class TapMember final : public InterfaceMember {
 public:
  /// Opens the tap and joins the switch.
  static Status Create(std::shared_ptr<Engine> engine, std::shared_ptr<StatsArea> stats, std::shared_ptr<ValeSwitch> sw,
                       const os::TapOptions& options, std::shared_ptr<TapMember>* out);
  ~TapMember() override { Stop(); }

  bool Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept override;

 private:
  using InterfaceMember::InterfaceMember;
  std::shared_ptr<TapDevice> tap_;
};

}  // namespace ptnet
