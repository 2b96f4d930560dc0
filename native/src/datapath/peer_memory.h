// A device's memory as others feel it: the CSB in its guest's, and the region that its rings lie in. Whoever holds the
// file of either can keep a thread that touches a page waiting, by taking it away (FALLOC_FL_PUNCH_HOLE) again and
// again: 0.25 s for 2 GiB. It outlives attachments, so that nobody is forgiven by attaching again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "datapath/debt.h"
#include "datapath/stall_timer.h"
#include "ring/spinlock.h"
#include "stats/counters.h"

namespace ptnet {

class PeerMemory {
 public:
  /// `counters`: where it is counted that nobody touched it for a while.
  explicit PeerMemory(RingCounters& counters) : counters_(counters) {}

  /// Whether nobody is to touch it now.
  bool paused() const noexcept { return paused_.load(std::memory_order_relaxed); }
  /// Any thread, which it has kept waiting for so long. Beyond what is free it is paused until that is paid.
  void Charge(uint64_t stalled_ns) noexcept;
  /// Runs what touches it, and charges for it.
  template <class Fn>
  void Touch(Fn fn, Stall kind = Stall::kPage) noexcept {
    StallTimer timer;
    fn();
    Charge(timer.Take(kind));
  }
  /// The control plane: true when it was paused and no longer is.
  bool Resume(uint64_t now_ns) noexcept;
  /// What may be waited at once. Less than one file that is punched, and more than a machine that is overcommitted
  /// makes of a page that is brought in for the first time: that waits for locks of this process, too, whose holders
  /// want a CPU.
  static constexpr uint64_t kFreeNs = 200'000'000;
  /// The control plane's: for how long it waits for a mapping, halved each time that it was not there in time.
  std::chrono::milliseconds patience{200};

 private:
  RingCounters& counters_;
  std::atomic<bool> paused_{false};
  SpinLock lock_;
  Debt debt_{kFreeNs};
};

}  // namespace ptnet
