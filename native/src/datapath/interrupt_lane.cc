// InterruptLane: a queue and a detached thread. A peer can keep the thread in a system call for as long as it likes
// where the kernel offers no asynchronous operations, so nobody ever joins it.
#include "datapath/interrupt_lane.h"

#include <condition_variable>
#include <deque>

#include "datapath/notify.h"
#include "os/thread.h"

namespace ptnet {

struct InterruptLane::State {
  struct Drained {
    PeerEventfds eventfds;
    bool done = false;
  };
  /// One of both.
  struct Job {
    std::shared_ptr<Interrupt> interrupt;
    std::shared_ptr<Drained> drained;
  };

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> jobs;
  bool stop = false;
};

std::shared_ptr<InterruptLane> InterruptLane::Start() {
  auto state = std::make_shared<State>();
  if (!os::StartDetached("ptnet-irq", [state] { Run(*state); })) return nullptr;
  return std::shared_ptr<InterruptLane>(new InterruptLane(std::move(state)));
}

InterruptLane::~InterruptLane() {
  const std::lock_guard lock(state_->mutex);
  state_->stop = true;
  state_->changed.notify_all();
}

void InterruptLane::Run(State& state) {
  for (;;) {
    State::Job job;
    {
      std::unique_lock lock(state.mutex);
      state.changed.wait(lock, [&] { return state.stop || !state.jobs.empty(); });
      if (state.jobs.empty()) return;
      job = std::move(state.jobs.front());
      state.jobs.pop_front();
    }
    if (job.interrupt) {
      job.interrupt->RaiseOnLane();
      continue;
    }
    for (const auto& eventfd : job.drained->eventfds) eventfd->Take();
    job.drained->eventfds.clear();
    const std::lock_guard lock(state.mutex);
    job.drained->done = true;
    state.changed.notify_all();
  }
}

void InterruptLane::Post(std::shared_ptr<Interrupt> interrupt) {
  const std::lock_guard lock(state_->mutex);
  state_->jobs.push_back({std::move(interrupt), nullptr});
  state_->changed.notify_all();
}

bool InterruptLane::Drain(const PeerEventfds& eventfds, std::chrono::milliseconds patience) {
  auto drained = std::make_shared<State::Drained>();
  drained->eventfds = eventfds;
  std::unique_lock lock(state_->mutex);
  state_->jobs.push_back({nullptr, drained});
  state_->changed.notify_all();
  return state_->changed.wait_for(lock, patience, [&] { return drained->done; });
}

std::shared_ptr<InterruptLane> InterruptLanes::Get() {
  const std::lock_guard lock(mutex_);
  if (lanes_.size() < kLanesMax) {
    auto lane = InterruptLane::Start();
    if (lane) lanes_.push_back(std::move(lane));
  }
  return lanes_.empty() ? nullptr : lanes_[given_++ % lanes_.size()];
}

}  // namespace ptnet
