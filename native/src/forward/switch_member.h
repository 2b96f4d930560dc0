// Who stands on a switch: takes the packets that are for it, a batch at a time. What kind of thing it is the switch
// does not know: a port with a guest's rings is one, a tap or an interface of the host will be others.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "datapath/budget.h"
#include "forward/port_limits.h"

namespace ptnet {

class MemberPackets;
struct ValeRun;

class SwitchMember {
 public:
  SwitchMember() = default;
  SwitchMember(const SwitchMember&) = delete;
  SwitchMember& operator=(const SwitchMember&) = delete;

  /// Takes the packets in their order, as far as the budget goes, then shows them to whoever reads them and notifies
  /// once. What there is no room for is dropped, and counted by the member. `lane` is the sender's ring: what comes by
  /// one lane stays in order. Several threads may call it at once. False when some packets are left, for the next time.
  virtual bool Deliver(MemberPackets* packets, uint32_t lane, const Budget& budget, Used* used) noexcept = 0;
  /// A short way for packets that still lie in the sender's ring. False, and nothing done, when there is none now.
  virtual bool DeliverRun(ValeRun*, uint32_t /*lane*/) noexcept { return false; }

  uint32_t number() const { return number_; }
  /// As the configuration has it: `vale0:1`, `tap:lan`.
  const std::string& name_on_switch() const { return name_; }
  /// False once it has left the switch: then nothing that it sends has a destination.
  bool joined() const { return joined_.load(std::memory_order_relaxed); }

  // Before anything is served. What is too much is dropped, and counted: a switch waits for no receiver's limit.

  void LimitReceived(std::unique_ptr<ReceiveLimit> limit) { receive_limit_ = std::move(limit); }
  void ControlStorms(std::unique_ptr<StormControl> control) { storm_control_ = std::move(control); }
  /// Null: none.
  ReceiveLimit* receive_limit() const { return receive_limit_.get(); }
  StormControl* storm_control() const { return storm_control_.get(); }

 protected:
  ~SwitchMember() = default;

 private:
  friend class ValeSwitch;
  uint32_t number_ = 0;  // on the switch
  std::string name_;
  std::atomic<bool> joined_{false};
  std::unique_ptr<ReceiveLimit> receive_limit_;
  std::unique_ptr<StormControl> storm_control_;
};

}  // namespace ptnet
