// Taking what an eventfd holds, whoever made it: nothing waits.
#include "os/event.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"

using namespace ptnet;

namespace {

bool Readable(int fd) {
  pollfd entry = {fd, POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

void Add(int fd, uint64_t count) { CHECK(write(fd, &count, sizeof count) == sizeof count); }

/// With EFD_NONBLOCK and without: a plain read of the latter would wait here until the run's limit.
void WhatIsLeftIsTaken() {
  for (const int flags : {0, int{EFD_NONBLOCK}}) {
    const int fd = eventfd(0, EFD_CLOEXEC | flags);
    CHECK(!os::TakeSignals(fd));
    for (uint64_t count : {uint64_t{1}, uint64_t{7}, uint64_t{0xfffffffffffffffe}}) {
      Add(fd, count);
      CHECK(os::TakeSignals(fd));
      CHECK(!Readable(fd));
      CHECK(!os::TakeSignals(fd));
    }
    close(fd);
  }
}

void OneThatCountsLikeASemaphoreHasAnEnd() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  Add(fd, 200);
  CHECK(os::TakeSignals(fd));
  CHECK(!Readable(fd));
  Add(fd, 0xfffffffffffffff0);
  CHECK(os::TakeSignals(fd));  // not all of it, and not for ever
  CHECK(Readable(fd));
  close(fd);
}

void AFullOneIsSignalledWithoutWaiting() {
  const int fd = eventfd(0, EFD_CLOEXEC);
  Add(fd, 0xfffffffffffffffe);
  CHECK(!os::SignalEventfd(fd));
  CHECK(Readable(fd));
  close(fd);
  CHECK_EQ(os::SignalEventfd(fd).number, EBADF);
}

}  // namespace

int main() {
  WhatIsLeftIsTaken();
  OneThatCountsLikeASemaphoreHasAnEnd();
  AFullOneIsSignalledWithoutWaiting();
}
