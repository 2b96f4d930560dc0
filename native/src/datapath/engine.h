// engine: the workers, and what the control plane does with all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "datapath/doorbell_waiter.h"
#include "datapath/flow.h"
#include "datapath/interrupt_peer.h"
#include "datapath/worker.h"
#include "memory/status.h"

namespace ptnet {

/// What is looked at about once a second.
class Ticked {
 public:
  virtual void Tick(uint64_t now_ns) noexcept = 0;

 protected:
  ~Ticked() = default;
};

class Engine {
 public:
  /// One worker for each entry of `cpus`, which lists the CPUs that it may run on; none: the scheduler's choice.
  static Status Create(const std::vector<CpuList>& cpus, std::shared_ptr<Engine>* out);

  uint32_t workers() const { return static_cast<uint32_t>(workers_.size()); }
  Worker& worker(uint32_t i) { return *workers_[i]; }

  // All of these are the control plane's, on one thread.

  /// Looks at every attachment: call it about once a second, with CLOCK_MONOTONIC.
  void Tick(uint64_t now_ns) noexcept;
  void AddTicked(Ticked* ticked) { ticked_.push_back(ticked); }
  void RemoveTicked(Ticked* ticked) { std::erase(ticked_, ticked); }
  /// Who takes the interrupts of the device that a port of this name belongs to: the same one at every attachment,
  /// unless it has never been slow, or kSlowPeersKept others have been since it was last attached.
  std::shared_ptr<InterruptPeer> PeerOf(const std::string& port);
  /// Who waits for its doorbells, where they are eventfds.
  DoorbellWaiter& DoorbellsOf(const std::string& port) { return doorbells_[port]; }
  const InterruptLanes& lanes() const { return *lanes_; }
  /// Returns when every worker has finished the round that it was in: nothing that was unlinked before is in use.
  void Synchronize();
  /// The same, of flows that were released before: no worker's list holds them either, so they may go.
  void ForgetReleased();

  // A flow is shared by the attachments at its ends: the first brings it to a worker, the last takes it away.

  /// Runs `fn` while no worker polls the flow: on its worker's thread, or here when it has none.
  void WithFlow(Flow* flow, const std::function<void()>& fn);
  void Acquire(Flow* flow, std::shared_ptr<DeviceActivity> device, Policy policy, uint64_t spin_ns, uint32_t worker);
  void ReleaseFlow(Flow* flow);
  /// Changes policy, spin time and worker of a flow that is in use. Not to or from kInline.
  void Move(Flow* flow, Policy policy, uint64_t spin_ns, uint32_t worker);
  /// The flow's watches that no worker has, into `set` or out of it.
  static void WatchHere(Flow* flow, WatchSet* set, bool add);
  /// The descriptors that the flow waits for are other files now.
  void WatchAnew(Flow* flow);
  WatchErrors& watch_errors() { return watch_errors_; }
  static constexpr size_t kSlowPeersKept = 256;
  static bool InUse(const Flow& flow) { return flow.users_ > 0; }
  static bool IsInline(const Flow& flow) { return flow.policy_ == Policy::kInline; }
  /// Any thread. Nothing happens for a flow without a worker.
  static void Kick(Flow* flow) noexcept;
  /// The first half of a kick: the flow has something to do. @return its worker, which has to be told; null: nobody.
  static Worker* Mark(Flow* flow) noexcept;

 private:
  Engine() = default;
  void ForgetPeers();
  WatchErrors watch_errors_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Ticked*> ticked_;
  std::shared_ptr<InterruptLanes> lanes_ = std::make_shared<InterruptLanes>();
  struct KnownPeer {
    std::shared_ptr<InterruptPeer> peer;
    uint64_t attached = 0;  // which of all attachments was its last
  };
  std::map<std::string, KnownPeer> peers_;
  uint64_t attachments_ = 0;
  std::map<std::string, DoorbellWaiter> doorbells_;
};

}  // namespace ptnet
