// PeerMemory: who has kept others waiting is left alone.
#include "datapath/peer_memory.h"

#include "datapath/clock.h"

namespace ptnet {

void PeerMemory::Charge(uint64_t stalled_ns) noexcept {
  if (stalled_ns == 0) return;
  const SpinGuard guard(lock_);
  if (!debt_.Add(stalled_ns, NowNs()) || paused_.exchange(true, std::memory_order_relaxed)) return;
  std::atomic_ref<uint64_t>(counters_.mem_slow).fetch_add(1, std::memory_order_relaxed);
}

bool PeerMemory::Resume(uint64_t now_ns) noexcept {
  if (!paused()) return false;
  const SpinGuard guard(lock_);
  if (now_ns < debt_.PaidAt()) return false;
  paused_.store(false, std::memory_order_relaxed);
  return true;
}

}  // namespace ptnet
