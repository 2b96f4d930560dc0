// InterruptPeer: measuring what signals cost, and moving off who makes them expensive.
#include "datapath/interrupt_peer.h"

#include <algorithm>

#include "datapath/clock.h"

namespace ptnet {
bool InterruptPeer::Signal(int signal, RingCounters& counters) noexcept {
  if (moved_off()) [[unlikely]]
    return false;
  // A system call for the CPU time would cost half as much as the signal: only who is suspect is measured so.
  if (measured_.load(std::memory_order_relaxed)) [[unlikely]]
    return SignalMeasured(signal, counters);
  const uint64_t start = NowNs();
  if (!PeerEventfd::Raise(signal)) {
    lanes_->CountWithoutAio();
    return false;
  }
  if (NowNs() - start > kLongNs) [[unlikely]]
    measured_.store(true, std::memory_order_relaxed);
  return true;
}

bool InterruptPeer::SignalMeasured(int signal, RingCounters& counters) noexcept {
  const uint64_t start = ThreadCpuNs();
  if (!PeerEventfd::Raise(signal)) {
    lanes_->CountWithoutAio();
    return false;
  }
  Charge(ThreadCpuNs() - start, counters);
  return true;
}

void InterruptPeer::Charge(uint64_t took_ns, RingCounters& counters) noexcept {
  if (took_ns <= kLongNs) return;
  SpinGuard guard(lock_);
  if (!debt_.Add(took_ns, NowNs()) || moved_off_.exchange(true, std::memory_order_relaxed)) return;
  std::atomic_ref<uint64_t>(counters.irq_slow).fetch_add(1, std::memory_order_relaxed);
}

InterruptLane* InterruptPeer::Lane() noexcept {
  SpinGuard guard(lock_);
  if (!lane_) lane_ = lanes_->Get();
  return lane_.get();
}

void InterruptPeer::Drain(const PeerEventfds& eventfds, RingCounters& counters) {
  if (eventfds.empty()) return;
  InterruptLane* lane;
  {
    SpinGuard guard(lock_);
    lane = lane_.get();
  }
  // Reading wakes who waits for room in an eventfd, and so takes as long as signalling.
  uint64_t start = ThreadCpuNs();
  size_t taken = 0;
  while (lane == nullptr && taken < eventfds.size()) {
    eventfds[taken++]->Take();
    const uint64_t now = ThreadCpuNs();
    if (now - start <= kLongNs) continue;
    Charge(now - start, counters);
    start = now;
    if (moved_off()) lane = Lane();
  }
  if (lane == nullptr) return;
  const PeerEventfds rest(eventfds.begin() + static_cast<ptrdiff_t>(taken), eventfds.end());
  // Only its own guest is hurt when it is not done in time.
  if (!lane->Drain(rest, patience_)) patience_ = std::max(patience_ / 2, std::chrono::milliseconds(1));
}

}  // namespace ptnet
