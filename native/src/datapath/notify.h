// notify: raises a ring's interrupt, and only when the guest asked for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "datapath/interrupt_peer.h"
#include "ring/kring.h"

namespace ptnet {

/// One MSI-X vector's eventfd, or the socket of an application. Raising it never waits for its peer, whatever that
/// does: at worst it takes long, and then it is raised on another thread from then on. Kept by its attachment, and by a
/// lane while it is on its way there.
class alignas(kCacheLine) Interrupt : public std::enable_shared_from_this<Interrupt> {
 public:
  explicit Interrupt(std::shared_ptr<InterruptPeer> peer) : peer_(std::move(peer)) {}

  /// Whoever serves the ring, or may in his place.
  void Raise(RingCounters& counters) noexcept;
  /// On a lane: what was posted there.
  void RaiseOnLane() noexcept;

  // The control plane.

  /// Sets the eventfd (null: none, its vector is masked or not set up). Returns the one before, for when all workers
  /// have passed.
  std::shared_ptr<PeerEventfd> Set(std::shared_ptr<PeerEventfd> eventfd);
  /// After Set, and once all workers have passed: an interrupt that came while there was no eventfd comes now, as the
  /// pending bit of MSI-X has it.
  void RaiseMissed(RingCounters& counters) noexcept;
  /// One was raised, but not seen: it counts as missed.
  void Miss() noexcept { missed_.store(true, std::memory_order_relaxed); }
  /// Nothing is raised from now on, also nothing that was missed: no eventfd is set any more. Returns the one that was.
  std::shared_ptr<PeerEventfd> End();
  bool has_eventfd() const { return signal_.load(std::memory_order_relaxed) >= 0; }

  /// By whoever raises it: for a VALE rx ring several threads may at once.
  static void Count(uint64_t& counter) { std::atomic_ref<uint64_t>(counter).fetch_add(1, std::memory_order_relaxed); }

 private:
  const std::shared_ptr<InterruptPeer> peer_;
  std::atomic<int> signal_{-1};  // PeerEventfd::signal() of the one that is set
  std::atomic<bool> missed_{false};
  std::atomic<bool> posted_{false};  // waits on a lane
  std::mutex mutex_;                 // guards the rest, for the lane: workers use signal_
  std::shared_ptr<PeerEventfd> eventfd_;
  bool ended_ = false;
};

/// After hwtail moved: the interrupt to raise, null when the guest does not ask for one. Its attachment keeps it until
/// every worker has ended the round that it is in.
inline Interrupt* Wanted(Kring& k) {
  // Full barrier: our store of hwtail before our load of appl_need_kick; pairs with the guest, which stores
  // appl_need_kick before it loads hwtail once more.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return LoadRelaxed(k.atok->appl_need_kick) != 0 ? k.interrupt : nullptr;
}

/// Not with the ring's lock held: it is a system call.
inline void Raise(Kring& k, Interrupt* interrupt) {
  if (interrupt != nullptr) interrupt->Raise(*k.counters);
}

/// After hwtail moved, without a lock: wakes the guest if it sleeps.
inline void Notify(Kring& k) { Raise(k, Wanted(k)); }

}  // namespace ptnet
