// notify: one vector's eventfd, from the one who raises it to the one who takes it away.
#include "datapath/notify.h"

#include <utility>

#include "os/event.h"

namespace ptnet {

void Interrupt::Raise(RingCounters& counters) noexcept {
  const int signal = signal_.load(std::memory_order_acquire);
  if (signal < 0) return Miss();
  if (peer_->Signal(signal, counters)) [[likely]]
    return Count(counters.interrupts);
  InterruptLane* lane = peer_->Lane();
  if (lane == nullptr) return Miss();  // tried again once a second
  // Full barrier, as the lane's: what was published before is seen by whoever takes the interrupt that is on its way.
  if (posted_.exchange(true, std::memory_order_seq_cst)) return;
  lane->Post(shared_from_this());
  Count(counters.interrupts);
}

void Interrupt::RaiseOnLane() noexcept {
  posted_.exchange(false, std::memory_order_seq_cst);
  std::shared_ptr<PeerEventfd> held;
  {
    const std::lock_guard lock(mutex_);
    held = eventfd_;
    if (!held) {
      if (!ended_) Miss();
      return;
    }
  }
  // May wait, where it is not for the kernel to do.
  if (held->socket)
    (void)os::SendWake(held->fd);
  else
    (void)os::SignalEventfd(held->fd);
}

std::shared_ptr<PeerEventfd> Interrupt::Set(std::shared_ptr<PeerEventfd> eventfd) {
  const std::lock_guard lock(mutex_);
  if (ended_) return eventfd;
  signal_.store(eventfd ? eventfd->signal() : -1, std::memory_order_release);
  eventfd_.swap(eventfd);
  return eventfd;
}

void Interrupt::RaiseMissed(RingCounters& counters) noexcept {
  if (has_eventfd() && missed_.exchange(false, std::memory_order_relaxed)) Raise(counters);
}

std::shared_ptr<PeerEventfd> Interrupt::End() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  signal_.store(-1, std::memory_order_release);
  return std::exchange(eventfd_, nullptr);
}

}  // namespace ptnet
