// Who stands on a switch: takes the packets that are for it, a batch at a time. What kind of thing it is the switch
// does not know: a port with a guest's rings is one, a tap or an interface of the host will be others.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "datapath/budget.h"
#include "forward/port_limits.h"
#include "ring/observer.h"

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

  // What is too much is dropped, and counted: a switch waits for no receiver's limit. Each gives back the one before,
  // which workers may use until they have been synchronized with.

  std::unique_ptr<ReceiveLimit> LimitReceived(std::unique_ptr<ReceiveLimit> limit) {
    receive_limit_.store(limit.get(), std::memory_order_release);
    return std::exchange(owned_receive_limit_, std::move(limit));
  }
  std::unique_ptr<StormControl> ControlStorms(std::unique_ptr<StormControl> control) {
    storm_control_.store(control.get(), std::memory_order_release);
    return std::exchange(owned_storm_control_, std::move(control));
  }
  /// Null: none. Not to be kept beyond the poll.
  ReceiveLimit* receive_limit() const { return receive_limit_.load(std::memory_order_acquire); }
  StormControl* storm_control() const { return storm_control_.load(std::memory_order_acquire); }

  /// Who looks at what it sends, and at what it gets; null: nobody. Of a member with rings these are observed instead.
  std::atomic<const MemberObservers*> sent_to{nullptr}, received_by{nullptr};

 protected:
  ~SwitchMember() = default;

 private:
  friend class ValeSwitch;
  uint32_t number_ = 0;  // on the switch
  std::string name_;
  std::atomic<bool> joined_{false};
  std::atomic<ReceiveLimit*> receive_limit_{nullptr};
  std::atomic<StormControl*> storm_control_{nullptr};
  std::unique_ptr<ReceiveLimit> owned_receive_limit_;  // the same ones
  std::unique_ptr<StormControl> owned_storm_control_;
};

}  // namespace ptnet
