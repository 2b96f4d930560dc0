// An interface of the host that stands on a switch without a VM behind it: what comes in there goes through the switch,
// and what the switch has for it goes out.
#pragma once

#include <memory>

#include "forward/interface_member.h"
#include "forward/netif_sender.h"

namespace ptnet {

/// One queue of the interface, on its way to the switch.
class NetifMemberFlow final : public MemberFlow {
 public:
  NetifMemberFlow(ValeSwitch& sw, const SwitchMember& from, NetifDevice& device, uint32_t queue,
                  RingCounters& counters);
  Used Poll(const Budget& budget) noexcept override;
  uint64_t Due() const noexcept override { return due_ns_; }
  void OnReady(Watch& watch, uint32_t events) noexcept override;

 private:
  uint64_t Fill(SwitchBatch* batch, const Budget& budget) noexcept override;

  NetifDevice& device_;
  NetifQueue& q_;
  uint64_t due_ns_ = 0;  // when to look again whether the kernel has room; 0: nothing waits
  std::array<VirtioNetHdr, NetifQueue::kFrames> headers_;  // of the batch
};

class NetifMember final : public InterfaceMember {
 public:
  /// Opens the interface and joins the switch. As OpenNetif, or ENOMEM, ENOSPC.
  static Status Create(std::shared_ptr<Engine> engine, std::shared_ptr<StatsArea> stats, std::shared_ptr<ValeSwitch> sw,
                       const NetifOptions& options, std::shared_ptr<NetifMember>* out);
  ~NetifMember() override { Stop(); }

  bool Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept override;

 private:
  using InterfaceMember::InterfaceMember;
  std::shared_ptr<NetifDevice> netif_;
};

}  // namespace ptnet
