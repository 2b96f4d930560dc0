// Signals that never wait: counted like writes, and an eventfd that its other owner has filled and made to block holds
// nobody up.
#include "os/event_signaller.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"

using namespace ptnet;

int main() {
  os::EventSignaller signaller;
  const int event = eventfd(0, EFD_CLOEXEC);  // blocking
  CHECK(!signaller.Signal(event));            // not open yet
  CHECK(signaller.Open());
  CHECK(signaller.Open());
  // More than there may be operations at once.
  for (int round = 1; round <= 100; round++) {
    for (int i = 0; i < round; i++) CHECK(signaller.Signal(event));
    uint64_t count = 0;
    CHECK(read(event, &count, sizeof count) == sizeof count);
    CHECK_EQ(count, static_cast<uint64_t>(round));
  }
  // Full: a write would wait here until the run's limit.
  const uint64_t full = 0xfffffffffffffffe;
  CHECK(write(event, &full, sizeof full) == sizeof full);
  for (int i = 0; i < 100; i++) CHECK(signaller.Signal(event));
  pollfd entry = {event, POLLIN, 0};
  CHECK_EQ(poll(&entry, 1, 0), 1);
  CHECK((entry.revents & POLLIN) != 0);
  uint64_t count = 0;
  CHECK(read(event, &count, sizeof count) == sizeof count);
  CHECK(signaller.Signal(event));  // it is as it was before
  CHECK(read(event, &count, sizeof count) == sizeof count);
  CHECK_EQ(count, 1u);
  // What is no eventfd.
  int ends[2];
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  CHECK(!signaller.Signal(ends[1]));
  CHECK(!signaller.Signal(-1));
  CHECK(signaller.Signal(event));
  for (int fd : {event, ends[0], ends[1]}) close(fd);
}
