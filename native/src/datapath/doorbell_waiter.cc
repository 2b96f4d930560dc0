// DoorbellWaiter: a detached thread with an epoll set, and the doorbells that it is to have next.
#include "datapath/doorbell_waiter.h"

#include <sys/epoll.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "datapath/worker.h"
#include "os/event.h"
#include "os/thread.h"
#include "os/unique_fd.h"

namespace ptnet {

namespace {

constexpr int kEventsMax = 32;
constexpr uint64_t kWake = UINT64_MAX;

bool Add(int epoll, int fd, uint32_t events, uint64_t tag) {
  epoll_event event{.events = events, .data = {.u64 = tag}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

struct DoorbellWaiter::State {
  struct Doorbells {
    std::vector<os::PeerFd> fds;
    std::weak_ptr<DoorbellTarget> target;
  };

  os::UniqueFd epoll, wake;
  std::mutex mutex;
  std::optional<Doorbells> next;  // guarded by the mutex
  std::atomic<bool> stop{false};
  Doorbells now;  // the thread's own

  bool Open() {
    epoll.Reset(epoll_create1(EPOLL_CLOEXEC));
    return epoll && !os::CreateEventfd(0, &wake) && Add(epoll.get(), wake.get(), EPOLLIN, kWake);
  }

  void TakeNext() {
    std::optional<Doorbells> taken;
    {
      const std::lock_guard lock(mutex);
      taken.swap(next);
    }
    if (!taken) return;
    for (const os::PeerFd& fd : now.fds)
      if (fd) epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
    now = std::move(*taken);
    // Edge-triggered: every write to the eventfd is an event, and nobody needs to read it.
    for (size_t i = 0; i < now.fds.size(); i++)
      if (now.fds[i]) Add(epoll.get(), now.fds[i].get(), EPOLLIN | EPOLLET, i);
  }

  void Ring(uint64_t ring) {
    const std::shared_ptr<DoorbellTarget> target = now.target.lock();
    if (!target || ring >= now.fds.size()) return;
    if (Worker* worker = target->Ring(static_cast<uint32_t>(ring))) worker->Wake();
  }
};

DoorbellWaiter::DoorbellWaiter() : state_(std::make_shared<State>()) {}

DoorbellWaiter::~DoorbellWaiter() {
  state_->stop.store(true, std::memory_order_release);
  if (started_) (void)os::SignalEventfd(state_->wake.get());
}

bool DoorbellWaiter::Set(std::vector<os::PeerFd> doorbells, std::weak_ptr<DoorbellTarget> target) {
  if (!started_ && doorbells.empty()) return true;
  if (!started_ && state_->Open()) started_ = os::StartDetached("ptnet-doorbell", [s = state_] { Run(*s); });
  if (!started_) return false;
  std::optional<State::Doorbells> replaced;  // without the lock
  {
    const std::lock_guard lock(state_->mutex);
    replaced = std::exchange(state_->next, State::Doorbells{std::move(doorbells), std::move(target)});
  }
  (void)os::SignalEventfd(state_->wake.get());
  return true;
}

void DoorbellWaiter::Run(State& state) {
  epoll_event events[kEventsMax];
  while (!state.stop.load(std::memory_order_acquire)) {
    const int count = epoll_wait(state.epoll.get(), events, kEventsMax, -1);
    bool woken = false;
    // What is set next is not rung by events of what was there before.
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == kWake)
        woken = true;
      else
        state.Ring(events[i].data.u64);
    }
    if (!woken) continue;
    uint64_t times;
    (void)os::DrainEventfd(state.wake.get(), &times);
    state.TakeNext();
  }
}

}  // namespace ptnet
