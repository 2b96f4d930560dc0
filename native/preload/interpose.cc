// The functions that stand in for the C library's: each looks whether it is about a descriptor of ours, and otherwise
// does what it would have done.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"
#include "calls.h"
#include "context.h"
#include "epoll.h"
#include "requests.h"
#include "socket_path.h"
#include "waiting.h"

#define PTNET_EXPORT extern "C" [[gnu::visibility("default")]]

namespace {

using namespace ptnet::preload;

constexpr char kDevice[] = "/dev/netmap";

int OpenDevice(int flags) {
  const int fd = Connect(flags);
  if (fd >= 0 && !Enter(fd)) {
    Real().close(fd);
    errno = ENOMEM;
    return -1;
  }
  return fd;
}

bool IsDevice(const char* path) { return path != nullptr && strcmp(path, kDevice) == 0; }

/// Whether a request is one of netmap's, so that a descriptor that nobody knows is worth a question.
bool IsNetmaps(unsigned long request) {
  return _IOC_TYPE(request) == 'i' && _IOC_NR(request) >= 145 && _IOC_NR(request) <= 151;
}

timespec* ToTimespec(int ms, timespec* out) {
  if (ms < 0) return nullptr;
  *out = {ms / 1000, (ms % 1000) * 1'000'000L};
  return out;
}

/// What the kernel would leave in a timeval of select's.
void Subtract(timeval* timeout, const timespec& since) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t us = (now.tv_sec - since.tv_sec) * 1'000'000 + (now.tv_nsec - since.tv_nsec) / 1000;
  const int64_t left = timeout->tv_sec * 1'000'000 + timeout->tv_usec - us;
  *timeout = left <= 0 ? timeval{} : timeval{left / 1'000'000, left % 1'000'000};
}

int Poll3(pollfd* fds, nfds_t count, int timeout) {
  if (!HasOurs(fds, count)) return Real().poll(fds, count, timeout);
  timespec time;
  return Poll(fds, count, ToTimespec(timeout, &time), nullptr);
}

int Ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  return HasOurs(fds, count) ? Poll(fds, count, timeout, mask) : Real().ppoll(fds, count, timeout, mask);
}

int OpenAny(int folder, const char* path, int flags, mode_t mode) {
  return IsDevice(path) ? OpenDevice(flags) : Real().openat(folder, path, flags, mode);
}

mode_t ModeOf(int flags, va_list arguments) {
  return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

void* MapAny(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  const bool file = fd >= 0 && (flags & MAP_ANONYMOUS) == 0;
  if (file && (flags & MAP_TYPE) != MAP_PRIVATE && Recognize(fd))
    return Map(fd, address, length, protection, flags, offset);
  return Real().mmap(address, length, protection, flags, fd, offset);
}

int Duplicated(int from, int to) {
  if (to < 0 || from == to) return to;
  ForgetInSets(static_cast<unsigned>(to), static_cast<unsigned>(to));
  Copy(from, to);
  return to;
}

/// What `to` was is closed by dup2, if that succeeds.
void Replace(int from, int to) {
  if (from != to && Real().fcntl(from, F_GETFD) >= 0)
    ForgetInSets(static_cast<unsigned>(to), static_cast<unsigned>(to));
}

}  // namespace

#define PTNET_OPEN(name, extra)                             \
  PTNET_EXPORT int name(const char* path, int flags, ...) { \
    va_list arguments;                                      \
    va_start(arguments, flags);                             \
    const mode_t mode = ModeOf(flags, arguments);           \
    va_end(arguments);                                      \
    return OpenAny(AT_FDCWD, path, flags | (extra), mode);  \
  }
PTNET_OPEN(open, 0)
PTNET_OPEN(open64, O_LARGEFILE)

#define PTNET_OPENAT(name, extra)                                       \
  PTNET_EXPORT int name(int folder, const char* path, int flags, ...) { \
    va_list arguments;                                                  \
    va_start(arguments, flags);                                         \
    const mode_t mode = ModeOf(flags, arguments);                       \
    va_end(arguments);                                                  \
    return OpenAny(folder, path, flags | (extra), mode);                \
  }
PTNET_OPENAT(openat, 0)
PTNET_OPENAT(openat64, O_LARGEFILE)

// Fortified programs call these when they give no mode.
PTNET_EXPORT int __open_2(const char* path, int flags) { return OpenAny(AT_FDCWD, path, flags, 0); }
PTNET_EXPORT int __open64_2(const char* path, int flags) { return OpenAny(AT_FDCWD, path, flags | O_LARGEFILE, 0); }
PTNET_EXPORT int __openat_2(int folder, const char* path, int flags) { return OpenAny(folder, path, flags, 0); }
PTNET_EXPORT int __openat64_2(int folder, const char* path, int flags) {
  return OpenAny(folder, path, flags | O_LARGEFILE, 0);
}

PTNET_EXPORT int close(int fd) {
  ForgetInSets(static_cast<unsigned>(fd), static_cast<unsigned>(fd));
  Forget(fd);
  return Real().close(fd);
}

PTNET_EXPORT int close_range(unsigned first, unsigned last, int flags) noexcept {
  if ((flags & CLOSE_RANGE_CLOEXEC) == 0 && first <= last) {
    ForgetInSets(first, last);
    ForgetRange(first, last);
  }
  if (Real().close_range != nullptr) return Real().close_range(first, last, flags);
  errno = ENOSYS;
  return -1;
}

PTNET_EXPORT void closefrom(int first) noexcept {
  const unsigned from = first < 0 ? 0 : static_cast<unsigned>(first);
  ForgetInSets(from, ~0u);
  ForgetRange(from, ~0u);
  if (Real().closefrom != nullptr) Real().closefrom(first);
}

PTNET_EXPORT int dup(int fd) noexcept { return Duplicated(fd, Real().dup(fd)); }
PTNET_EXPORT int dup2(int from, int to) noexcept {
  Replace(from, to);
  return Duplicated(from, Real().dup2(from, to));
}
PTNET_EXPORT int dup3(int from, int to, int flags) noexcept {
  Replace(from, to);
  return Duplicated(from, Real().dup3(from, to, flags));
}

#define PTNET_FCNTL(name)                                                 \
  PTNET_EXPORT int name(int fd, int command, ...) {                       \
    va_list arguments;                                                    \
    va_start(arguments, command);                                         \
    void* argument = va_arg(arguments, void*);                            \
    va_end(arguments);                                                    \
    const int result = Real().fcntl(fd, command, argument);               \
    const bool copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC; \
    return copies ? Duplicated(fd, result) : result;                      \
  }
PTNET_FCNTL(fcntl)
PTNET_FCNTL(fcntl64)

PTNET_EXPORT int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (IsOurs(fd) || (IsNetmaps(request) && Recognize(fd))) {
    const Held held(fd);
    if (held) return Ioctl(fd, *held, request, argument);
  }
  return Real().ioctl(fd, request, argument);
}

PTNET_EXPORT void* mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) noexcept {
  return MapAny(address, length, protection, flags, fd, offset);
}
PTNET_EXPORT void* mmap64(void* address, size_t length, int protection, int flags, int fd, off64_t offset) noexcept {
  return MapAny(address, length, protection, flags, fd, offset);
}

PTNET_EXPORT int poll(pollfd* fds, nfds_t count, int timeout) { return Poll3(fds, count, timeout); }
PTNET_EXPORT int __poll_chk(pollfd* fds, nfds_t count, int timeout, size_t bytes) {
  if (bytes / sizeof *fds < count) __builtin_trap();
  return Poll3(fds, count, timeout);
}

PTNET_EXPORT int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  return Ppoll(fds, count, timeout, mask);
}
PTNET_EXPORT int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask, size_t bytes) {
  if (bytes / sizeof *fds < count) __builtin_trap();
  return Ppoll(fds, count, timeout, mask);
}

PTNET_EXPORT int select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* timeout) {
  if (!HasOurs(count, in, out, except)) return Real().select(count, in, out, except, timeout);
  if (timeout == nullptr) return Select(count, in, out, except, nullptr, nullptr);
  timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  const timespec time = {timeout->tv_sec, timeout->tv_usec * 1000};
  const int result = Select(count, in, out, except, &time, nullptr);
  Subtract(timeout, start);
  return result;
}

PTNET_EXPORT int pselect(int count, fd_set* in, fd_set* out, fd_set* except, const timespec* timeout,
                         const sigset_t* mask) {
  if (!HasOurs(count, in, out, except)) return Real().pselect(count, in, out, except, timeout, mask);
  return Select(count, in, out, except, timeout, mask);
}

PTNET_EXPORT int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  return IsOurs(fd) ? EpollControl(epoll, operation, fd, event) : Real().epoll_ctl(epoll, operation, fd, event);
}

PTNET_EXPORT int epoll_pwait(int epoll, epoll_event* events, int most, int timeout, const sigset_t* mask) {
  if (!MayHoldOurs(epoll)) return Real().epoll_pwait(epoll, events, most, timeout, mask);
  timespec time;
  return EpollWait(epoll, events, most, ToTimespec(timeout, &time), mask);
}

PTNET_EXPORT int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  return epoll_pwait(epoll, events, most, timeout, nullptr);
}

PTNET_EXPORT int epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout, const sigset_t* mask) {
  if (MayHoldOurs(epoll)) return EpollWait(epoll, events, most, timeout, mask);
  if (Real().epoll_pwait2 != nullptr) return Real().epoll_pwait2(epoll, events, most, timeout, mask);
  errno = ENOSYS;
  return -1;
}
