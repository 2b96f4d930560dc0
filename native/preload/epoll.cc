// In the kernel's set a descriptor of ours stands for a byte of the host's; what is there is found out here, as for
// poll.
#include "epoll.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include "calls.h"
#include "look.h"
#include "patience.h"
#include "process.h"

namespace ptnet::preload {
namespace {

constexpr int kEntriesMax = 256;
constexpr uint64_t kTag = 0x70746e65'6d617000;  // what the kernel gives back for one of ours
constexpr uint32_t kKinds = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;

struct Entry {
  std::atomic<int> epoll{-1};  // the set; -1: nobody's
  int fd = -1;
  std::atomic<bool> shared{false};  // a child may have the set and the open file too
  std::atomic<uint32_t> events{0};
  std::atomic<uint64_t> data{0};
};

Entry entries[kEntriesMax];
std::atomic<int> used{0};  // entries before that have been somebody's

[[gnu::constructor]] void OnLoad() {
  const auto before_fork = [] {
    for (int i = 0; i < used.load(std::memory_order_acquire); i++) entries[i].shared.store(true);
  };
  (void)pthread_atfork(before_fork, nullptr, nullptr);
}

template <class Fn>
void ForEach(int epoll, Fn fn) {
  for (int i = 0; i < used.load(std::memory_order_acquire); i++)
    if (entries[i].epoll.load(std::memory_order_acquire) == epoll) fn(entries[i]);
}

Entry* Find(int epoll, int fd) {
  Entry* found = nullptr;
  ForEach(epoll, [&](Entry& entry) {
    if (entry.fd == fd) found = &entry;
  });
  return found;
}

/// Claimed by -2, until it is filled in.
Entry* Claim() {
  for (int i = 0; i < kEntriesMax; i++) {
    int nobody = -1;
    if (!entries[i].epoll.compare_exchange_strong(nobody, -2)) continue;
    int before = used.load();
    while (before <= i && !used.compare_exchange_weak(before, i + 1)) {
    }
    return &entries[i];
  }
  return nullptr;
}

int Add(int epoll, int fd, const epoll_event& event) {
  Entry* entry = Claim();
  if (entry == nullptr) {
    errno = ENOSPC;
    return -1;
  }
  epoll_event kernels = {EPOLLIN, {.u64 = kTag}};
  if (Real().epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &kernels) != 0) {
    entry->epoll.store(-1);
    return -1;
  }
  entry->fd = fd;
  entry->shared.store(false);
  entry->events.store(event.events);
  entry->data.store(event.data.u64);
  entry->epoll.store(epoll, std::memory_order_release);
  return 0;
}

/// Fills in what is there, from the first place on. @return how many.
int LookAtOurs(int epoll, epoll_event* events, int most) {
  int ready = 0;
  ForEach(epoll, [&](Entry& entry) {
    uint32_t wanted = entry.events.load();
    const Held held(entry.fd);
    if (!held || wanted == 0 || ready == most) return;
    const short found = Look(entry.fd, *held, static_cast<short>(wanted & kKinds));
    if (found == 0) return;
    // Quiet until it is set again; another thread may have been told of it first.
    if ((wanted & EPOLLONESHOT) != 0 && !entry.events.compare_exchange_strong(wanted, 0)) return;
    events[ready].events = static_cast<uint16_t>(found);
    events[ready++].data.u64 = entry.data.load();
  });
  return ready;
}

/// Who sleeps in one call, for each entry.
class Sleepers {
 public:
  bool LieDown(int epoll) {
    bool quiet = true;
    ForEach(epoll, [&](Entry& entry) {
      const Held held(entry.fd);
      const short events = static_cast<short>(entry.events.load() & kKinds);
      if (held) quiet &= all_[&entry - entries].LieDown(entry.fd, *held, events);
    });
    return quiet;
  }
  /// @param readable whether one of ours was: the kernel does not say which. @return whether a byte was left for
  /// others.
  bool GetUp(bool readable) {
    int asleep = 0;
    ForAll([&](Sleeper&, Context&) { asleep++; });
    bool left = false;
    ForAll([&](Sleeper& sleeper, Context& context) {
      left |= sleeper.GetUp(context, readable && (asleep == 1 || IsReadable(sleeper.fd())));
    });
    return left;
  }
  /// A pause for those for whom a byte was left.
  void Pause() {
    int times = 0;
    ForAll([&](Sleeper& sleeper, Context& context) {
      if (sleeper.left()) times = std::max(times, sleeper.Wait(context));
    });
    Patience::Pause(times);
  }

 private:
  static bool IsReadable(int fd) {
    pollfd entry = {fd, POLLIN, 0};
    return Real().poll(&entry, 1, 0) == 1;
  }
  template <class Fn>
  void ForAll(Fn fn) {
    for (int i = 0; i < used.load(std::memory_order_acquire); i++) {
      const Held held(all_[i].fd());
      if (held && all_[i].IsOn(*held)) fn(all_[i], *held);
    }
  }

  Sleeper all_[kEntriesMax];
};

void TakeStrays(int epoll) {
  ForEach(epoll, [&](Entry& entry) {
    const Held held(entry.fd);
    if (held) TakeStray(entry.fd, *held);
  });
}

/// Leaves those of the others. @return how many.
int KeepOthers(epoll_event* events, int count) {
  int kept = 0;
  for (int i = 0; i < count; i++)
    if (events[i].data.u64 != kTag) events[kept++] = events[i];
  return kept;
}

int ToMs(const timespec& time) {
  const int64_t ms = time.tv_sec * 1000 + (time.tv_nsec + 999'999) / 1'000'000;
  return ms > INT32_MAX ? INT32_MAX : static_cast<int>(ms);
}

}  // namespace

bool MayHoldOurs(int epoll) { return epoll >= 0 && used.load(std::memory_order_acquire) > 0; }

int EpollControl(int epoll, int operation, int fd, epoll_event* event) {
  if (InParentsMemory()) return Real().epoll_ctl(epoll, operation, fd, event);
  Entry* entry = epoll < 0 ? nullptr : Find(epoll, fd);
  if (operation == EPOLL_CTL_ADD && entry == nullptr && event != nullptr) return Add(epoll, fd, *event);
  if (operation == EPOLL_CTL_MOD && entry != nullptr && event != nullptr) {
    entry->data.store(event->data.u64);
    entry->events.store(event->events);
    return 0;
  }
  // What is wrong with it the kernel says.
  const int result = Real().epoll_ctl(epoll, operation, fd, event);
  if (operation == EPOLL_CTL_DEL && entry != nullptr) entry->epoll.store(-1);
  return result;
}

int EpollWait(int epoll, epoll_event* events, int most, const timespec* timeout, const sigset_t* mask) {
  if (most <= 0 || events == nullptr) return Real().epoll_pwait(epoll, events, most, 0, mask);
  const bool waits = timeout == nullptr || timeout->tv_sec > 0 || timeout->tv_nsec > 0;
  const timespec deadline = timeout != nullptr && waits ? Deadline(*timeout) : timespec{};
  // Made when the call is about to sleep: most that find something do not.
  std::optional<Sleepers> sleepers;
  for (;;) {
    const int ours = LookAtOurs(epoll, events, most);
    if (ours == most) return ours;
    const bool sleeps = ours == 0 && waits;
    if (sleeps && !sleepers) sleepers.emplace();
    if (sleeps && !sleepers->LieDown(epoll)) {
      (void)sleepers->GetUp(false);
      continue;
    }
    const int ms = !sleeps ? 0 : timeout == nullptr ? -1 : ToMs(Left(deadline));
    const int count = Real().epoll_pwait(epoll, events + ours, most - ours, ms, mask);
    const int error = errno;
    const int others = KeepOthers(events + ours, count);
    const bool readable = others < count;
    const bool others_sleep = sleeps && sleepers->GetUp(readable);
    if (!sleeps && readable) TakeStrays(epoll);
    if (count < 0 && ours == 0) {
      errno = error;
      return -1;
    }
    if (!sleeps || others > 0 || count == 0 || ms == 0) return ours + others;
    if (others_sleep) sleepers->Pause();
  }
}

void ForgetInSets(unsigned first, unsigned last) {
  const int count = used.load(std::memory_order_acquire);
  if (count == 0 || InParentsMemory()) return;
  const auto gone = [&](int fd) { return static_cast<unsigned>(fd) >= first && static_cast<unsigned>(fd) <= last; };
  for (int i = 0; i < count; i++) {
    Entry& entry = entries[i];
    const int epoll = entry.epoll.load(), fd = entry.fd, before = errno;
    if (epoll < 0 || (!gone(epoll) && !gone(fd))) continue;
    // As long as the open file has another descriptor, the kernel's set would keep it. Of a set that a child may have
    // it is not taken: it may be in use there.
    if (gone(fd) && !entry.shared.load()) (void)Real().epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
    errno = before;
    entry.epoll.store(-1);
  }
}

}  // namespace ptnet::preload
