// Waiting: what is there is looked at first; then the host is asked for a byte on the descriptor, which the kernel
// waits for.
#include "waiting.h"

#include <errno.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "calls.h"
#include "context.h"
#include "look.h"
#include "patience.h"

namespace ptnet::preload {
namespace {

constexpr nfds_t kOnStack = 64;

/// An array for a call, on the stack when it is small.
template <class T>
class Entries {
 public:
  explicit Entries(nfds_t count) : bytes_(count * sizeof(T)) {
    if (count > kOnStack) {
      void* p = Real().mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      data_ = p == MAP_FAILED ? nullptr : static_cast<T*>(p);
    }
    for (nfds_t i = 0; i < count && data_ != nullptr; i++) new (&data_[i]) T();
  }
  ~Entries() {
    if (bytes_ > sizeof small_ && data_ != nullptr) munmap(data_, bytes_);
  }
  Entries(const Entries&) = delete;
  Entries& operator=(const Entries&) = delete;
  T* get() { return data_; }

 private:
  size_t bytes_;
  alignas(T) unsigned char small_[kOnStack * sizeof(T)];
  T* data_ = reinterpret_cast<T*>(small_);
};

/// One call of Poll().
class Wait {
 public:
  Wait(pollfd* entries, nfds_t count, pollfd* kernels, Sleeper* sleepers)
      : entries_(entries), count_(count), kernels_(kernels), sleepers_(sleepers) {}

  /// How many are ready, of ours alone; the kernel's part is prepared.
  int LookAtOurs() {
    int ready = 0;
    for (nfds_t i = 0; i < count_; i++) {
      kernels_[i] = entries_[i];
      const Held held(entries_[i].fd);
      if (!held) continue;
      kernels_[i].fd = -1 - entries_[i].fd;
      entries_[i].revents = Look(entries_[i].fd, *held, entries_[i].events);
      ready += entries_[i].revents != 0;
    }
    return ready;
  }

  /// False when something has come meanwhile.
  bool ArmOurs() {
    bool quiet = true;
    ForOurs([&](nfds_t i, Context& context) {
      kernels_[i].fd = entries_[i].fd;
      // Who waits for nothing is told of a hang-up only.
      kernels_[i].events = entries_[i].events != 0 ? POLLIN : 0;
      if (entries_[i].events != 0) quiet &= sleepers_[i].LieDown(entries_[i].fd, context, entries_[i].events);
    });
    return quiet;
  }

  /// Whether a byte was left for others.
  bool DisarmOurs(bool woken) {
    bool left = false;
    ForOurs([&](nfds_t i, Context& context) {
      const short came = woken ? kernels_[i].revents : 0;
      if ((came & (POLLHUP | POLLERR)) != 0) context.gone.store(true, std::memory_order_relaxed);
      if (sleepers_[i].IsOn(context)) left |= sleepers_[i].GetUp(context, (came & POLLIN) != 0);
    });
    return left;
  }

  /// A pause for those for whom a byte was left.
  void Pause() {
    int times = 0;
    ForOurs([&](nfds_t i, Context& context) {
      if (sleepers_[i].IsOn(context) && sleepers_[i].left()) times = std::max(times, sleepers_[i].Wait(context));
    });
    Patience::Pause(times);
  }

  /// The kernel's answer for those that are not ours. @return how many of them are ready.
  int TakeOthers() {
    int ready = 0;
    for (nfds_t i = 0; i < count_; i++) {
      if (IsOurs(entries_[i].fd)) continue;
      entries_[i].revents = kernels_[i].revents;
      ready += entries_[i].revents != 0;
    }
    return ready;
  }

  int Kernel(const timespec* timeout, const sigset_t* mask) { return Real().ppoll(kernels_, count_, timeout, mask); }

 private:
  template <class Fn>
  void ForOurs(Fn fn) {
    for (nfds_t i = 0; i < count_; i++) {
      const Held held(entries_[i].fd);
      if (held) fn(i, *held);
    }
  }

  pollfd* const entries_;
  const nfds_t count_;
  pollfd* const kernels_;
  Sleeper* const sleepers_;
};

}  // namespace

bool HasOurs(const pollfd* entries, nfds_t count) {
  if (!AnyOurs()) return false;
  for (nfds_t i = 0; i < count; i++)
    if (IsOurs(entries[i].fd)) return true;
  return false;
}

int Poll(pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  Entries<pollfd> kernels(count);
  Entries<Sleeper> sleepers(count);
  if (kernels.get() == nullptr || sleepers.get() == nullptr) {
    errno = ENOMEM;
    return -1;
  }
  const timespec none{};
  const bool waits = timeout == nullptr || timeout->tv_sec > 0 || timeout->tv_nsec > 0;
  const timespec deadline = timeout != nullptr && waits ? Deadline(*timeout) : none;
  Wait wait(entries, count, kernels.get(), sleepers.get());
  for (;;) {
    const int ours = wait.LookAtOurs();
    const bool sleeps = ours == 0 && waits;
    if (sleeps && !wait.ArmOurs()) {
      (void)wait.DisarmOurs(false);
      continue;
    }
    const timespec left = sleeps && timeout != nullptr ? Left(deadline) : none;
    const int woken = wait.Kernel(sleeps && timeout == nullptr ? nullptr : &left, mask);
    const int error = errno;
    const bool others_sleep = sleeps && wait.DisarmOurs(woken > 0);
    if (woken < 0 && ours == 0) {
      errno = error;
      return -1;
    }
    const int others = wait.TakeOthers();
    if (!sleeps || others > 0 || woken == 0) return ours + others;
    if (!others_sleep) continue;
    if (timeout != nullptr && left.tv_sec == 0 && left.tv_nsec == 0) return wait.LookAtOurs();
    wait.Pause();
  }
}

namespace {

bool IsSet(const fd_set* set, int fd) { return set != nullptr && FD_ISSET(fd, set); }

bool Put(fd_set* set, int fd, bool ready) {
  if (!IsSet(set, fd)) return false;
  if (!ready) FD_CLR(fd, set);
  return ready;
}

}  // namespace

bool HasOurs(int count, const fd_set* in, const fd_set* out, const fd_set* except) {
  if (!AnyOurs()) return false;
  for (int fd = 0; fd < count && fd < FD_SETSIZE; fd++)
    if (IsOurs(fd) && (IsSet(in, fd) || IsSet(out, fd) || IsSet(except, fd))) return true;
  return false;
}

int Select(int count, fd_set* in, fd_set* out, fd_set* except, const timespec* timeout, const sigset_t* mask) {
  if (count < 0 || count > FD_SETSIZE) {
    errno = EINVAL;
    return -1;
  }
  Entries<pollfd> entries(static_cast<nfds_t>(count));
  if (entries.get() == nullptr) {
    errno = ENOMEM;
    return -1;
  }
  nfds_t used = 0;
  for (int fd = 0; fd < count; fd++) {
    const int events =
        (IsSet(in, fd) ? POLLIN : 0) | (IsSet(out, fd) ? POLLOUT : 0) | (IsSet(except, fd) ? POLLPRI : 0);
    if (events != 0) entries.get()[used++] = {fd, static_cast<short>(events), 0};
  }
  if (Poll(entries.get(), used, timeout, mask) < 0) return -1;
  int bits = 0;
  for (nfds_t i = 0; i < used; i++) {
    const auto& [fd, events, revents] = entries.get()[i];
    if ((revents & POLLNVAL) != 0) {
      errno = EBADF;
      return -1;
    }
    bits += Put(in, fd, (revents & (POLLIN | POLLHUP | POLLERR)) != 0);
    bits += Put(out, fd, (revents & (POLLOUT | POLLERR)) != 0);
    bits += Put(except, fd, (revents & POLLPRI) != 0);
  }
  return bits;
}

}  // namespace ptnet::preload
