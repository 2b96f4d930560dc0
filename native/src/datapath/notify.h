// notify: raises a ring's interrupt, and only when the guest asked for it.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "os/event_signaller.h"
#include "ring/kring.h"

namespace ptnet {

/// Odd while this thread is in the system call that raises an interrupt; see Worker::Nudge.
inline thread_local std::atomic<uint64_t> raising{0};

/// One MSI-X vector's eventfd. The descriptor is the session's; it is swapped by the control plane, which waits for
/// all workers to pass before it closes the old one.
class Interrupt {
 public:
  void set_fd(int fd) { fd_.store(fd, std::memory_order_release); }
  int fd() const { return fd_.load(std::memory_order_acquire); }

  void Raise(RingCounters& counters) {
    int fd = this->fd();
    if (fd < 0) {
      missed_.store(true, std::memory_order_relaxed);
      return;
    }
    Count(Signal(fd) ? counters.interrupts : counters.irq_full);
  }

  /// By whoever raises it: for a VALE rx ring several threads may at once.
  static void Count(uint64_t& counter) {
    std::atomic_ref<uint64_t>(counter).fetch_add(1, std::memory_order_relaxed);
  }

  /// The control plane, after set_fd and once all workers have passed: an interrupt that came while the vector had no
  /// eventfd (masked, or being set up) comes now, as the pending bit of MSI-X has it.
  void RaiseMissed() {
    int fd = this->fd();
    if (fd >= 0 && missed_.exchange(false, std::memory_order_relaxed)) Signal(fd);
  }

  /// Adds one to an eventfd. False when it is full: a wake-up is pending then.
  static bool Signal(int fd) {
    // The peer shares the open file: whatever we set on it, the peer may make writes to a full counter wait.
    pollfd entry = {fd, POLLOUT, 0};
    if (poll(&entry, 1, 0) != 1 || (entry.revents & POLLOUT) == 0) return false;
    return Write(fd);
  }

  /// Waits if the peer has filled the counter since poll() looked, until the peer reads it or Worker::Nudge comes.
  static bool Write(int fd) {
    const uint64_t one = 1;
    raising.fetch_add(1, std::memory_order_relaxed);
    ssize_t n = write(fd, &one, sizeof one);
    raising.fetch_add(1, std::memory_order_relaxed);
    return n == sizeof one;
  }

 private:
  std::atomic<int> fd_{-1};
  std::atomic<bool> missed_{false};
};

/// The interrupts of a thread that serves in a worker's place and must not wait, as Interrupt::Raise may.
class PromptInterrupts {
 public:
  PromptInterrupts() {
    due_.reserve(kDueAtFirst);
    signaller_.Open();
  }

  void Raise(Kring& k, Interrupt& interrupt) {
    const int fd = interrupt.fd();
    if (fd >= 0 && signaller_.Signal(fd)) Interrupt::Count(k.counters->interrupts);
    else due_.push_back(&k);
  }

  /// Those that could not be raised, for a thread that may wait.
  std::vector<Kring*>& due() { return due_; }

 private:
  static constexpr size_t kDueAtFirst = 64;
  os::EventSignaller signaller_;
  std::vector<Kring*> due_;
};

/// Those of this thread while it must not wait.
inline thread_local PromptInterrupts* prompt_interrupts = nullptr;

/// After hwtail moved: the interrupt to raise, null when the guest does not ask for one. Its attachment keeps it until
/// every worker has ended the round that it is in.
inline Interrupt* Wanted(Kring& k) {
  // Full barrier: our store of hwtail before our load of appl_need_kick; pairs with the guest, which stores
  // appl_need_kick before it loads hwtail once more.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return LoadRelaxed(k.atok->appl_need_kick) != 0 ? k.interrupt : nullptr;
}

/// Not with the ring's lock held: a hostile peer may make it wait.
inline void Raise(Kring& k, Interrupt* interrupt) {
  if (interrupt == nullptr) return;
  if (prompt_interrupts != nullptr) [[unlikely]]
    prompt_interrupts->Raise(k, *interrupt);
  else
    interrupt->Raise(*k.counters);
}

/// After hwtail moved, without a lock: wakes the guest if it sleeps.
inline void Notify(Kring& k) { Raise(k, Wanted(k)); }

}  // namespace ptnet
