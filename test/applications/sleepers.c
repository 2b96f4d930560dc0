// Several who sleep on one open file: threads, a child and its parent, and two open files of one ring. Who is told of
// what, nobody may be left asleep.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "port.h"

enum { PACKETS = 8000, SLOTS = 16, SIZE = 60, PATIENCE_MS = 60000 };

static int open_small(struct port* port, const char* name) {
  memset(port, 0, sizeof *port);
  port->fd = open("/dev/netmap", O_RDWR | O_CLOEXEC);
  port->reg.nr_mode = REG_ALL_NIC;
  port->reg.nr_tx_slots = port->reg.nr_rx_slots = SLOTS;
  if (port->fd < 0 || control(port->fd, REQ_REGISTER, name, &port->reg) != 0) return -1;
  port->memory = mmap(NULL, port->reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, port->fd, 0);
  if (port->memory == MAP_FAILED) return -1;
  port->nifp = (struct netmap_if*)(port->memory + port->reg.nr_offset);
  return 0;
}

static void open_pipe(struct port* a, struct port* b) {
  EXPECT(0, open_small(a, "p{9"));
  EXPECT(0, open_small(b, "p}9"));
}

// Counts: what a thread or a process is to do, and where it counts what it has done.
struct job {
  struct port* port;
  int by_epoll;
  uint32_t packets;
  uint32_t done, stalls;
};

// Sleeps until it is told; a stall is one that lasts too long.
static void sleep_for(struct job* job, short events) {
  int n;
  if (job->by_epoll) {
    struct epoll_event event = {.events = events == POLLIN ? EPOLLIN : EPOLLOUT}, got;
    const int set = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, job->port->fd, &event) == 0);
    n = epoll_wait(set, &got, 1, PATIENCE_MS);
    close(set);
  } else {
    struct pollfd entry = {job->port->fd, events, 0};
    n = poll(&entry, 1, PATIENCE_MS);
  }
  job->stalls += n != 1;
}

static void* send_all(void* of) {
  struct job* job = of;
  struct netmap_ring* ring = first_tx(job->port);
  while (job->done < job->packets && job->stalls == 0) {
    uint32_t head = ring->head, burst = 1 + job->done % 23;
    for (; burst > 0 && head != ring->tail && job->done < job->packets; burst--) {
      memset(buffer_of(ring, ring->slot[head].buf_idx), 0xff, SIZE);
      memcpy(buffer_of(ring, ring->slot[head].buf_idx) + 16, &job->done, sizeof job->done);
      ring->slot[head].len = SIZE;
      head = next_of(ring, head);
      job->done++;
    }
    ring->head = ring->cur = head;
    if (ioctl(job->port->fd, NIOCTXSYNC) != 0) job->stalls++;
    if (ring->head == ring->tail) sleep_for(job, POLLOUT);
    if (job->done % 41 == 0) usleep(50);
  }
  return NULL;
}

static pthread_mutex_t one_reader = PTHREAD_MUTEX_INITIALIZER;

// Takes what is there; the numbers have to be in their order.
static void take(struct job* job, uint32_t* next) {
  struct netmap_ring* ring = first_rx(job->port);
  while (ring->head != ring->tail) {
    uint32_t number;
    memcpy(&number, buffer_of(ring, ring->slot[ring->head].buf_idx) + 16, sizeof number);
    CHECK(number == *next);
    *next = number + 1;
    ring->head = ring->cur = next_of(ring, ring->head);
  }
}

static void* receive_all(void* of) {
  struct job* job = of;
  while (job->done < job->packets && job->stalls == 0) {
    sleep_for(job, POLLIN);
    take(job, &job->done);
    if (ioctl(job->port->fd, NIOCRXSYNC) != 0) job->stalls++;
    take(job, &job->done);
  }
  // What was taken last is given back: these may be all slots of the ring, and the sender asleep until there is one.
  if (ioctl(job->port->fd, NIOCRXSYNC) != 0) job->stalls++;
  return NULL;
}

static void run(struct job* jobs, int count, void* (*const* what)(void*)) {
  pthread_t threads[4];
  for (int i = 0; i < count; i++) CHECK(pthread_create(&threads[i], NULL, what[i], &jobs[i]) == 0);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < count; i++) CHECK(jobs[i].stalls == 0 && jobs[i].done == jobs[i].packets);
}

// One thread sends by an end of a pipe and another one receives there, both asleep when there is nothing to do.
static void a_thread_for_each_direction(int by_epoll) {
  struct port a, b;
  open_pipe(&a, &b);
  struct job jobs[] = {{&a, by_epoll, PACKETS, 0, 0},
                       {&b, by_epoll, PACKETS, 0, 0},
                       {&b, by_epoll, PACKETS, 0, 0},
                       {&a, by_epoll, PACKETS, 0, 0}};
  void* (*const what[])(void*) = {send_all, receive_all, send_all, receive_all};
  run(jobs, 4, what);
  port_close(&a);
  port_close(&b);
}

// The same in two processes: the child sends, the parent receives.
static void a_process_for_each_direction(void) {
  struct port a, b;
  open_pipe(&a, &b);
  const pid_t child = fork();
  if (child == 0) {
    struct job jobs[] = {{&a, 0, PACKETS, 0, 0}, {&b, 0, PACKETS, 0, 0}};
    void* (*const what[])(void*) = {send_all, send_all};
    run(jobs, 2, what);
    _exit(failures != 0);
  }
  struct job jobs[] = {{&b, 0, PACKETS, 0, 0}, {&a, 0, PACKETS, 0, 0}};
  void* (*const what[])(void*) = {receive_all, receive_all};
  run(jobs, 2, what);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  port_close(&a);
  port_close(&b);
}

static uint32_t shared_next;

// Two who want the same: both are told, and the one that comes first takes it.
static void* receive_in_turns(void* of) {
  struct job* job = of;
  for (;;) {
    pthread_mutex_lock(&one_reader);
    take(job, &shared_next);
    const int over = shared_next >= job->packets;
    if (ioctl(job->port->fd, NIOCRXSYNC) != 0) job->stalls++;
    pthread_mutex_unlock(&one_reader);
    // The last packet of the other end is for whoever still sleeps.
    if (over || job->stalls > 0) return NULL;
    struct pollfd entry = {job->port->fd, POLLIN, 0};
    const int n = poll(&entry, 1, shared_next < job->packets ? PATIENCE_MS : 0);
    job->stalls += n != 1 && shared_next < job->packets;
    job->done++;
  }
}

static void two_for_one_ring(void) {
  struct port a, b;
  open_pipe(&a, &b);
  shared_next = 0;
  struct job jobs[] = {{&a, 0, PACKETS, 0, 0}, {&b, 0, PACKETS, 0, 0}, {&b, 0, PACKETS, 0, 0}};
  pthread_t threads[3];
  CHECK(pthread_create(&threads[1], NULL, receive_in_turns, &jobs[1]) == 0);
  CHECK(pthread_create(&threads[2], NULL, receive_in_turns, &jobs[2]) == 0);
  CHECK(pthread_create(&threads[0], NULL, send_all, &jobs[0]) == 0);
  pthread_join(threads[0], NULL);
  // One may sleep on when the other one has taken the last packet: it is told by one more.
  struct job last = {&a, 0, PACKETS + 1, PACKETS, 0};
  while (shared_next < PACKETS && jobs[1].stalls + jobs[2].stalls == 0) usleep(1000);
  send_all(&last);
  for (int i = 1; i < 3; i++) pthread_join(threads[i], NULL);
  CHECK(jobs[0].stalls + jobs[1].stalls + jobs[2].stalls == 0 && shared_next >= PACKETS);
  port_close(&a);
  port_close(&b);
}

// Who is killed in its sleep leaves the others theirs.
static void killed_asleep(void) {
  struct port a, b;
  open_pipe(&a, &b);
  for (int i = 0; i < 4; i++) {
    const pid_t child = fork();
    if (child == 0) {
      struct pollfd entry = {b.fd, POLLIN, 0};
      poll(&entry, 1, -1);
      _exit(1);
    }
    usleep(20000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  struct job jobs[] = {{&a, 0, PACKETS, 0, 0}, {&b, 0, PACKETS, 0, 0}};
  void* (*const what[])(void*) = {send_all, receive_all};
  run(jobs, 2, what);
  port_close(&a);
  port_close(&b);
}

int main(void) {
  a_thread_for_each_direction(0);
  a_thread_for_each_direction(1);
  a_process_for_each_direction();
  two_for_one_ring();
  killed_asleep();
  return verdict();
}
