// notify: raises a ring's interrupt, and only when the guest asked for it.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "ring/kring.h"

namespace ptnet {

/// One MSI-X vector's eventfd. The descriptor is the session's; it is swapped by the control plane, which waits for
/// all workers to pass before it closes the old one.
class Interrupt {
 public:
  void set_fd(int fd) { fd_.store(fd, std::memory_order_release); }
  int fd() const { return fd_.load(std::memory_order_acquire); }

  /// True when the vector has an eventfd, which was then signalled.
  bool Raise() {
    int fd = this->fd();
    if (fd < 0) return false;
    const uint64_t one = 1;
    // The only way to fail is a full counter, which is a wake-up that is already pending.
    [[maybe_unused]] ssize_t n = write(fd, &one, sizeof one);
    return true;
  }

 private:
  std::atomic<int> fd_{-1};
};

/// After hwtail moved: wakes the guest if it sleeps.
inline void Notify(Kring& k) {
  // Full barrier: our store of hwtail before our load of appl_need_kick; pairs with the guest, which stores
  // appl_need_kick before it loads hwtail once more.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (LoadRelaxed(k.atok->appl_need_kick) != 0 && k.interrupt != nullptr && k.interrupt->Raise())
    Add(k.counters->interrupts, 1);
}

}  // namespace ptnet
