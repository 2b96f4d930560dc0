// Worker: who owns its flows. While the thread sleeps whoever kicks may serve them: waking a thread on another CPU can
// take longer than all of its work.
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "datapath/worker.h"
#include "ring/spinlock.h"

namespace ptnet {
namespace {

constexpr int kRoundsHere = 2;         // one that serves, one that parks
constexpr size_t kAnsweringMost = 16;  // more are not looked through at each kick

}  // namespace

/// What a thread that sleeps, or is about to, must not sleep through.
bool Worker::MustWork() const noexcept {
  return kicked_.load(std::memory_order_relaxed) != nullptr || calls_pending_.load(std::memory_order_relaxed) ||
         stop_.load(std::memory_order_relaxed);
}

/// Nobody owns the flows now; MustWork() has to be asked after it.
void Worker::Disown() noexcept {
  // Release: all that the owner has done; pairs with the acquire of the next one.
  owner_.store(Owner::kNobody, std::memory_order_release);
  // Full barrier: owner_ before what others may have left for us; pairs with Wake().
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

/// The thread is awake again, and waits for whoever serves in its place.
void Worker::Own() noexcept {
  for (unsigned spins = 0;; spins++) {
    Owner owner = owner_.load(std::memory_order_acquire);
    if (owner == Owner::kThread) return;  // given by who woke us
    if (owner == Owner::kNobody && owner_.compare_exchange_weak(owner, Owner::kThread, std::memory_order_acquire))
      return;
    spins < 64 ? CpuRelax() : void(sched_yield());
  }
}

void Worker::ServeRounds(Budget* budget) noexcept {
  for (int i = 0; i < kRoundsHere && !active_.empty() && !budget->spent(); i++) PollActive(budget);
}

/// What is sent may be answered at once, as by the kernel behind a tap. The flows of those who have kicked that look
/// for answers are polled here too, and the kernel does not wake the thread for what they find: they are watched again
/// when they are parked.
void Worker::RestAnswering() noexcept {
  if (polled_.size() > kAnsweringMost) return;
  const auto kicked = static_cast<ptrdiff_t>(active_.size());
  for (Flow* flow : polled_) {
    const auto same = [flow](const Flow* other) { return other->device_ == flow->device_; };
    if (flow->active_ || flow->paused() || !std::any_of(active_.begin(), active_.begin() + kicked, same)) continue;
    for (const auto& watch : flow->watches_) watch->Rest();
    Activate(flow);
  }
}

bool Worker::ServeHere() noexcept {
  Owner nobody = Owner::kNobody;
  if (owner_.load(std::memory_order_relaxed) != nobody) return false;
  if (!owner_.compare_exchange_strong(nobody, Owner::kKicker, std::memory_order_acquire)) return false;
  counters_.served_in_kick.fetch_add(1, std::memory_order_relaxed);
  const uint64_t due = NextDue();
  TakeKicked();
  RestAnswering();
  Budget budget = kKickBudget;
  ServeRounds(&budget);
  // Answers to flows that are watched only.
  if (watches_.size() > 0 && !budget.spent()) {
    PollEvents();
    ServeRounds(&budget);
  }
  // A flow that has been parked may have a time to be woken at, which the thread does not know.
  if (!active_.empty() || NextDue() < due) {
    ReturnToThread();
  } else {
    Disown();
    if (MustWork()) Wake();
  }
  return true;
}

/// Work is left: the thread is woken as its owner.
void Worker::ReturnToThread() noexcept {
  owner_.store(Owner::kThread, std::memory_order_release);
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(wake_fd_, &one, sizeof one);
}

}  // namespace ptnet
