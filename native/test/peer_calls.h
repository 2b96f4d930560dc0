// What a peer can do to whoever uses its eventfd: the system calls of this program's interrupts take as long as a test
// says. Include it in one file of a program: it stands in for the C library's syscall(), preadv2() and poll().
#pragma once

#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>

namespace ptnet::test {

struct PeerCalls {
  std::atomic<bool> no_aio{false};    // io_setup fails
  std::atomic<uint64_t> cpu_us{0};    // a signal uses that much of a CPU
  std::atomic<uint64_t> sleep_us{0};  // a signal takes that long, without using it
  std::atomic<bool> hold{false};      // a signal, or taking what is left, takes as long as this is set
  std::atomic<uint32_t> held{0};      // how many are in there
  std::atomic<bool> fill{false};      // an eventfd is filled when it has just been looked at, once
  std::atomic<pid_t> raised_by{0};    // the last thread that signalled
};
inline PeerCalls peer_calls;

inline long RawCall(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  if (result >= 0 || result < -4095) return result;
  errno = static_cast<int>(-result);
  return -1;
}

inline void TakeTime() {
  const uint64_t cpu = peer_calls.cpu_us, sleep = peer_calls.sleep_us;
  timespec start, now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
  do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  while ((now.tv_sec - start.tv_sec) * 1'000'000 + (now.tv_nsec - start.tv_nsec) / 1000 < static_cast<int64_t>(cpu));
  if (sleep > 0) usleep(static_cast<useconds_t>(sleep));
  peer_calls.held++;
  while (peer_calls.hold) usleep(100);
  peer_calls.held--;
}

}  // namespace ptnet::test

/// Takes six arguments where there may be fewer.
extern "C" __attribute__((no_sanitize("address"))) long syscall(long number, ...) noexcept {
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (long& each : a) each = va_arg(rest, long);
  va_end(rest);
  using ptnet::test::peer_calls;
  if (number == SYS_io_setup && peer_calls.no_aio) {
    errno = EAGAIN;
    return -1;
  }
  if (number == SYS_io_submit) {
    peer_calls.raised_by = static_cast<pid_t>(ptnet::test::RawCall(SYS_gettid, 0, 0, 0, 0, 0, 0));
    ptnet::test::TakeTime();
  }
  return ptnet::test::RawCall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

extern "C" ssize_t preadv2(int fd, const iovec* places, int count, off_t offset, int flags) {
  ptnet::test::TakeTime();
  return ptnet::test::RawCall(SYS_preadv2, fd, reinterpret_cast<long>(places), count, offset, 0, flags);
}

extern "C" int poll(pollfd* fds, nfds_t count, int timeout) {
  using ptnet::test::peer_calls;
  const int ready = static_cast<int>(
      ptnet::test::RawCall(SYS_poll, reinterpret_cast<long>(fds), static_cast<long>(count), timeout, 0, 0, 0));
  if (count == 1 && fds->events == POLLOUT && timeout == 0 && peer_calls.fill.exchange(false)) {
    const uint64_t full = UINT64_MAX - 1;
    if (write(fds->fd, &full, sizeof full) != sizeof full) peer_calls.fill = true;
  }
  return ready;
}
