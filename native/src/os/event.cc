// eventfds, and waiting for a descriptor.
#include "os/event.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "os/event_signaller.h"

namespace ptnet::os {

namespace {

constexpr int kTakesMax = 256;

int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool Ready(int fd, short events) noexcept {
  pollfd entry = {fd, events, 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & events) != 0;
}

}  // namespace

Error CreateEventfd(unsigned initial, UniqueFd* out) {
  UniqueFd fd(eventfd(initial, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) return Error::Last("eventfd");
  *out = std::move(fd);
  return {};
}

Error SignalEventfd(int fd) noexcept {
  if (EventSignaller::OfThisThread().Signal(fd)) return {};
  if (!Ready(fd, POLLOUT)) return fcntl(fd, F_GETFD) < 0 ? Error::Last("write") : Error{};
  const uint64_t one = 1;
  while (write(fd, &one, sizeof one) < 0) {
    if (errno == EAGAIN) return {};
    if (errno != EINTR) return Error::Last("write");
  }
  return {};
}

Error DrainEventfd(int fd, uint64_t* count) noexcept {
  *count = 0;
  if (!Ready(fd, POLLIN)) return fcntl(fd, F_GETFD) < 0 ? Error::Last("read") : Error{};
  uint64_t value = 0;
  while (read(fd, &value, sizeof value) < 0) {
    if (errno == EAGAIN) return {};
    if (errno != EINTR) return Error::Last("read");
  }
  *count = value;
  return {};
}

bool TakeSignals(int fd) noexcept {
  uint64_t value = 0;
  const iovec place{&value, sizeof value};
  int taken = 0;
  while (taken < kTakesMax && preadv2(fd, &place, 1, -1, RWF_NOWAIT) == sizeof value) taken++;
  return taken > 0;
}

Error PollReadable(int fd, int timeout_ms, bool* readable) {
  const int64_t deadline = NowMs() + timeout_ms;
  pollfd entry = {fd, POLLIN, 0};
  int left = timeout_ms;
  for (;;) {
    const int count = poll(&entry, 1, left);
    if (count >= 0) break;
    if (errno != EINTR) return Error::Last("poll");
    if (timeout_ms >= 0) left = static_cast<int>(deadline > NowMs() ? deadline - NowMs() : 0);
  }
  if ((entry.revents & POLLNVAL) != 0) return Error{EBADF, "poll"};
  *readable = entry.revents != 0;
  return {};
}

}  // namespace ptnet::os
