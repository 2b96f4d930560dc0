// Who has the other end of a device's interrupts, and how long raising them takes: what a peer does with its eventfds
// is paid for by whoever signals them. It outlives attachments, so that nobody is forgiven by attaching again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "datapath/debt.h"
#include "datapath/interrupt_lane.h"
#include "ring/spinlock.h"
#include "stats/counters.h"

namespace ptnet {

class InterruptPeer {
 public:
  explicit InterruptPeer(std::shared_ptr<InterruptLanes> lanes) : lanes_(std::move(lanes)) {}

  /// Raises an interrupt, by what PeerEventfd::signal() says, here and now. False when it has to be raised on the lane.
  bool Signal(int signal, RingCounters& counters) noexcept;
  /// Where it is raised then; null when no thread can be had.
  InterruptLane* Lane() noexcept;
  /// The control plane: takes what is left in these eventfds, and what is on its way to them. Those of a peer that has
  /// made even this slow may not be taken when it returns.
  void Drain(const PeerEventfds& eventfds, RingCounters& counters);
  /// Whether raising one of its interrupts has ever taken long.
  bool suspect() const { return moved_off() || measured_.load(std::memory_order_relaxed); }
  bool moved_off() const { return moved_off_.load(std::memory_order_relaxed); }

  /// Signals that take longer are looked at; those of an eventfd that few wait for take one or two microseconds.
  static constexpr uint64_t kLongNs = 100'000;
  /// CPU time that long ones may take at once.
  static constexpr uint64_t kFreeNs = 20'000'000;

 private:
  bool SignalMeasured(int signal, RingCounters& counters) noexcept;
  void Charge(uint64_t took_ns, RingCounters& counters) noexcept;

  const std::shared_ptr<InterruptLanes> lanes_;
  std::atomic<bool> measured_{false};   // one took long on the clock: from now on their CPU time is looked at
  std::atomic<bool> moved_off_{false};  // for good
  SpinLock lock_;
  Debt debt_{kFreeNs};  // CPU time of others that long signals have taken
  std::shared_ptr<InterruptLane> lane_;
  std::chrono::milliseconds patience_{100};  // halved each time that the lane did not drain in time
};

}  // namespace ptnet
