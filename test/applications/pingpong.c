// Two processes that wake each other up, one packet at a time: `pingpong A B CPU_A CPU_B ROUNDS`. A and B are ports at
// each other's other end, and each process waits in poll(); or both are `eventfd`, which is what the kernel alone takes
// to do that. Prints the times of a round trip, ns, as one line of JSON. The first tenth of the rounds is not among
// them.
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "port.h"

enum { SIZE = 60, PATIENCE_MS = 10000 };

static void fail(const char* what) {
  fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void stay_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
}

static int64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

// One end: what it sends goes out with the next wait.
struct end {
  struct port port;
  int mine, other;  // eventfds
};

static void send_one(struct end* end) {
  if (end->other >= 0) {
    const uint64_t one = 1;
    if (write(end->other, &one, sizeof one) != sizeof one) fail("write");
    return;
  }
  struct netmap_ring* tx = first_tx(&end->port);
  struct netmap_slot* slot = &tx->slot[tx->head];
  memset(buffer_of(tx, slot->buf_idx), 0xff, SIZE);
  slot->len = SIZE;
  tx->head = tx->cur = next_of(tx, tx->head);
}

static void await_one(struct end* end) {
  if (end->mine >= 0) {
    uint64_t count;
    if (read(end->mine, &count, sizeof count) != sizeof count) fail("read");
    return;
  }
  struct netmap_ring* rx = first_rx(&end->port);
  while (rx->head == rx->tail) {
    struct pollfd entry = {.fd = end->port.fd, .events = POLLIN};
    const int ready = poll(&entry, 1, PATIENCE_MS);
    if (ready == 0) errno = ETIMEDOUT;
    if (ready <= 0 || (entry.revents & POLLERR) != 0) fail("poll");
  }
  rx->head = rx->cur = next_of(rx, rx->head);
}

static void open_end(struct end* end, const char* name) {
  if (end->mine < 0 && port_open(&end->port, name, REG_ALL_NIC, 0) != 0) fail(name);
}

static int by_size(const void* a, const void* b) {
  const int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
  return x < y ? -1 : x > y;
}

static void ping(struct end* end, long rounds) {
  const long first = rounds / 10, count = rounds - first;
  int64_t* const times = malloc((size_t)count * sizeof *times);
  if (times == NULL) fail("malloc");
  for (long i = 0; i < rounds; i++) {
    const int64_t start = now_ns();
    send_one(end);
    await_one(end);
    if (i >= first) times[i - first] = now_ns() - start;
  }
  qsort(times, (size_t)count, sizeof *times, by_size);
  printf("{\"count\":%ld,\"p50\":%lld,\"p99\":%lld,\"p999\":%lld}\n", count, (long long)times[count / 2],
         (long long)times[count - 1 - count / 100], (long long)times[count - 1 - count / 1000]);
}

int main(int argc, char** argv) {
  const long rounds = argc == 6 ? atol(argv[5]) : 0;
  if (rounds < 10) {
    errno = EINVAL;
    fail("usage: pingpong A B CPU_A CPU_B ROUNDS, 10 rounds at least");
  }
  int fds[2] = {-1, -1}, ready[2];
  if (strcmp(argv[1], "eventfd") == 0)
    for (int i = 0; i < 2; i++)
      if ((fds[i] = eventfd(0, 0)) < 0) fail("eventfd");
  if (pipe(ready) != 0) fail("pipe");
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct end end = {.mine = fds[1], .other = fds[0]};
    stay_on(atoi(argv[4]));
    open_end(&end, argv[2]);
    if (write(ready[1], "", 1) != 1) fail("write");
    for (;;) {
      await_one(&end);
      send_one(&end);
    }
  }
  struct end end = {.mine = fds[0], .other = fds[1]};
  stay_on(atoi(argv[3]));
  open_end(&end, argv[1]);
  close(ready[1]);
  char byte;
  if (read(ready[0], &byte, 1) != 1) {
    errno = ECHILD;
    fail(argv[2]);
  }
  ping(&end, rounds);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return 0;
}
