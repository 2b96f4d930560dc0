// What a worker does in a round in which nothing moved: it spins, and gives the CPU away as often as others want it.
#pragma once

#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "datapath/clock.h"
#include "ring/spinlock.h"

namespace ptnet {

/// A yield that takes longer than a system call has let somebody else run: then the CPU is shared, and whoever waits
/// for us to be idle should get it at once. Otherwise yields are a waste of time in which nothing is seen.
class Yielder {
 public:
  void Idle() {
    if (++spun_ < spins_) return CpuRelax();
    spun_ = 0;
    const uint64_t before = NowNs();
    sched_yield();
    spins_ = NowNs() - before > kSharedNs ? 1 : std::min(2 * spins_, kSpinsMax);
  }

 private:
  static constexpr uint64_t kSharedNs = 1000;
  static constexpr uint32_t kSpinsMax = 32;
  uint32_t spins_ = 1;  // rounds between two yields
  uint32_t spun_ = 0;
};

}  // namespace ptnet
