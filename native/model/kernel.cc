// The few system calls that the protocol stands on, for the model checker: eventfds, epoll, and a clock that stands
// still.
#include <map>

#include "datapath/doorbell_waiter.h"
#include "datapath/notify.h"
#include "datapath/stall_timer.h"
#include "os/event_signaller.h"

namespace {

using ptnet::model::Touch;
using ptnet::model::Wait;

struct Eventfd {
  uint64_t count = 0;
  uint64_t written = 0;  // times, for edges
};
struct Watched {
  int fd;
  uint32_t events;
  epoll_data_t data;
  uint64_t seen;
};

/// Descriptors are numbers that the kernel would not give. They are never closed: an execution has a few.
constexpr int kFirst = 1'000'000;
std::vector<std::unique_ptr<Eventfd>> eventfds;
std::map<int, std::vector<Watched>> epolls;
int next_epoll = 2 * kFirst;

Eventfd& At(int fd) { return *eventfds.at(static_cast<size_t>(fd - kFirst)); }

bool Ready(const Watched& w) {
  const Eventfd& e = At(w.fd);
  return e.count > 0 && (!(w.events & EPOLLET) || e.written != w.seen);
}

}  // namespace

int ModelEventfd(unsigned count, int) {
  eventfds.push_back(std::make_unique<Eventfd>(Eventfd{count, 0}));
  return kFirst + static_cast<int>(eventfds.size()) - 1;
}

const void* ptnet::model::Eventfd(int fd) { return &At(fd); }

int ModelEpollCreate(int) { return next_epoll++; }

int ModelEpollControl(int epoll, int operation, int fd, epoll_event* event) {
  auto& watched = epolls[epoll];
  std::erase_if(watched, [fd](const Watched& w) { return w.fd == fd; });
  if (operation != EPOLL_CTL_DEL) watched.push_back({fd, event->events, event->data, 0});
  return 0;
}

int ModelEpollWait(int epoll, epoll_event* events, int most, bool for_ever) {
  auto& watched = epolls[epoll];
  if (for_ever) {
    const void* at = watched.empty() ? nullptr : &At(watched.front().fd);
    while (!Wait(
        at, [&] { return std::any_of(watched.begin(), watched.end(), Ready); }, false)) {
    }
  }
  int count = 0;
  for (Watched& w : watched) {
    if (count == most || !Ready(w)) continue;
    w.seen = At(w.fd).written;
    events[count++] = {EPOLLIN, w.data};
  }
  return count;
}

ssize_t ModelWrite(int fd, const void* from, size_t size) {
  uint64_t n;
  memcpy(&n, from, sizeof n);
  Touch(&At(fd));
  At(fd).count += n;
  At(fd).written++;
  return static_cast<ssize_t>(size);
}

ssize_t ModelRead(int fd, void* to, size_t size) {
  Touch(&At(fd));
  if (At(fd).count == 0) return -1;
  memcpy(to, &At(fd).count, size);
  At(fd).count = 0;
  return static_cast<ssize_t>(size);
}

int ModelPoll(pollfd* fds, nfds_t count, int timeout) {
  auto ready = [&] {
    return std::any_of(fds, fds + count, [](const pollfd& p) { return (p.events & POLLOUT) || At(p.fd).count > 0; });
  };
  if (timeout != 0 && count > 0) Wait(&At(fds[0].fd), ready, false);
  int n = 0;
  for (nfds_t i = 0; i < count; i++) {
    fds[i].revents =
        static_cast<short>((fds[i].events & POLLOUT) | (At(fds[i].fd).count > 0 ? fds[i].events & POLLIN : 0));
    n += fds[i].revents != 0;
  }
  return n;
}

int ModelClock(clockid_t, timespec* now) {
  *now = {1, 0};
  return 0;
}

namespace ptnet {

void Interrupt::Raise(RingCounters& counters) noexcept {
  const uint64_t one = 1;
  Count(counters.interrupts);
  [[maybe_unused]] const ssize_t n = ModelWrite(signal_.load(std::memory_order_relaxed), &one, sizeof one);
}

/// Doorbells come by calls.
struct DoorbellWaiter::State {};
DoorbellWaiter::DoorbellWaiter() = default;
DoorbellWaiter::~DoorbellWaiter() = default;

// Nobody is kept waiting by memory.
void StallSample::KeepOpen() noexcept {}
StallSample StallSample::Now() noexcept { return {}; }
thread_local uint64_t StallTimer::claimed_here_ns = 0;
thread_local uint32_t StallTimer::running_here = 0;
bool StallTimer::Running() noexcept { return false; }
uint64_t StallTimer::Take(Stall) noexcept { return 0; }
void StallHint::Slept(uint64_t) noexcept {}
bool StallHint::Look() noexcept { return false; }

namespace os {

EventSignaller::~EventSignaller() = default;
EventSignaller& EventSignaller::OfThisThread() {
  static EventSignaller none;
  return none;
}

}  // namespace os
}  // namespace ptnet
