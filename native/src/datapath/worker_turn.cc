// Worker: whose turn it is. While the thread sleeps another one may serve what has just been kicked, in its place: waking
// a thread on another CPU can take longer than all of its work.
#include <sched.h>
#include <unistd.h>

#include "datapath/worker.h"
#include "ring/spinlock.h"

namespace ptnet {
namespace {

constexpr int kRoundsHere = 2;  // one that serves, one that parks

}  // namespace

/// What a thread that sleeps, or is about to, must not sleep through.
bool Worker::MustWork() const noexcept {
  return kicked_.load(std::memory_order_relaxed) != nullptr || calls_pending_.load(std::memory_order_relaxed) ||
         stop_.load(std::memory_order_relaxed);
}

/// The turn is nobody's now; MustWork() has to be asked after it.
void Worker::EndTurn() noexcept {
  // Release: all that was done in this turn; pairs with the acquire of whoever takes the next.
  turn_.store(Turn::kNobody, std::memory_order_release);
  // Full barrier: turn_ before what others may have left for us; pairs with Wake().
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

/// The thread is awake again, and waits for whoever serves in its place.
void Worker::TakeTurn() noexcept {
  for (unsigned spins = 0;; spins++) {
    Turn turn = turn_.load(std::memory_order_acquire);
    if (turn == Turn::kWorker) return;  // given by who woke us
    if (turn == Turn::kNobody && turn_.compare_exchange_weak(turn, Turn::kWorker, std::memory_order_acquire)) return;
    spins < 64 ? CpuRelax() : void(sched_yield());
  }
}

bool Worker::ServeHere() noexcept {
  Turn nobody = Turn::kNobody;
  if (turn_.load(std::memory_order_relaxed) != nobody) return false;
  if (!turn_.compare_exchange_strong(nobody, Turn::kLent, std::memory_order_acquire)) return false;
  counters_.lent.fetch_add(1, std::memory_order_relaxed);
  const size_t paced = paced_.size();
  TakeKicked();
  Budget budget = kKickBudget;
  for (int i = 0; i < kRoundsHere && !active_.empty() && !budget.spent(); i++) PollActive(&budget);
  // A source that has been parked has a time to be woken at, which the thread does not know.
  HandBack(!active_.empty() || paced_.size() != paced);
  return true;
}

/// The end of a turn that was lent.
void Worker::HandBack(bool work_left) noexcept {
  if (!work_left) {
    EndTurn();
    if (MustWork()) Wake();
    return;
  }
  turn_.store(Turn::kWorker, std::memory_order_release);
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake_fd_, &one, sizeof one);
}

}  // namespace ptnet
