// One open file through every way in which descriptors travel: dup, fork, exec, messages, and the closing of all that
// there is.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "port.h"

static const char kName[] = "vale0:a";

// The register ends with the last descriptor: until then nobody else has the rings exclusively.
static int is_held(void) {
  struct port port;
  if (port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE) != 0) return 1;
  port_close(&port);
  return 0;
}

static int works(int fd) {
  struct pollfd entry = {fd, POLLOUT, 0};
  return poll(&entry, 1, 0) == 1 && entry.revents == POLLOUT && ioctl(fd, NIOCTXSYNC) == 0;
}

static int maps(int fd) {
  void* memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return 0;
  munmap(memory, 4096);
  return 1;
}

static int ended_well(pid_t child) {
  int status;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void duplicates(void) {
  struct port port;
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  int copies[] = {dup(port.fd), fcntl(port.fd, F_DUPFD, 100), fcntl(port.fd, F_DUPFD_CLOEXEC, 100), dup2(port.fd, 200),
                  dup3(port.fd, 201, O_CLOEXEC)};
  close(port.fd);
  for (int i = 0; i < 5; i++) CHECK(works(copies[i]) && maps(copies[i]));
  // What a number stood for before is forgotten.
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  dup2(pipes[0], copies[0]);
  struct pollfd entry = {copies[0], POLLIN | POLLOUT, 0};
  CHECK(poll(&entry, 1, 0) == 0);
  CHECK(ioctl(copies[0], NIOCTXSYNC) < 0);
  CHECK(is_held());
  for (int i = 0; i < 5; i++) close(copies[i]);
  CHECK(!is_held());
  close(pipes[0]);
  close(pipes[1]);
  munmap(port.memory, port.reg.nr_memsize);
}

static void children(void) {
  struct port port;
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(pipes[1]);
    // The parent has closed its own by now.
    _exit(read(pipes[0], &byte, 1) == 1 && works(port.fd) && maps(port.fd) ? 0 : 1);
  }
  close(port.fd);
  CHECK(is_held());
  CHECK(write(pipes[1], "x", 1) == 1 && ended_well(child));
  CHECK(!is_held());
  close(pipes[0]);
  close(pipes[1]);
  munmap(port.memory, port.reg.nr_memsize);
}

static void send_fd(int socket, int fd) {
  struct iovec part = {"x", 1};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } space = {0};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = space.bytes, .msg_controllen = sizeof space.bytes};
  struct cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &fd, sizeof fd);
  CHECK(sendmsg(socket, &message, 0) == 1);
}

static int receive_fd(int socket) {
  char byte;
  struct iovec part = {&byte, 1};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } space;
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = space.bytes, .msg_controllen = sizeof space.bytes};
  if (recvmsg(socket, &message, 0) != 1) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

// A descriptor server: it forks, closes whatever it has, and gets one by a message.
static void messages(void) {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
  pid_t child = fork();
  if (child == 0) {
    CHECK(dup2(pair[1], 3) == 3);
    for (int fd = 1023; fd > 3; fd--) close(fd);
    int fd = receive_fd(3);
    int ok = fd >= 0 && maps(fd) && works(fd) && send(3, "y", 1, 0) == 1;
    char byte;
    ok = ok && recv(3, &byte, 1, 0) == 1 && works(fd);
    _exit(ok ? 0 : 1);
  }
  struct port port;
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  send_fd(pair[0], port.fd);
  port_close(&port);
  char byte;
  CHECK(recv(pair[0], &byte, 1, 0) == 1);
  CHECK(is_held());
  CHECK(send(pair[0], "z", 1, 0) == 1 && ended_well(child));
  CHECK(!is_held());
  // One that is in a message only is open all the same.
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  close(pair[1]);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  send_fd(pair[0], port.fd);
  port_close(&port);
  CHECK(is_held());
  close(pair[0]);
  close(pair[1]);
  CHECK(!is_held());
}

static void another_program(const char* self) {
  struct port port;
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  pid_t child = fork();
  if (child == 0) {
    char number[16];
    snprintf(number, sizeof number, "%d", port.fd);
    execl(self, self, number, (char*)NULL);
    _exit(2);
  }
  port_close(&port);
  CHECK(ended_well(child));
  CHECK(!is_held());
}

static void closing_ranges(void) {
  struct port port;
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  EXPECT(0, close_range((unsigned)port.fd, (unsigned)port.fd + 10, CLOSE_RANGE_CLOEXEC));
  CHECK(works(port.fd) && fcntl(port.fd, F_GETFD) == FD_CLOEXEC);
  EXPECT(0, close_range(3, ~0u, 0));
  CHECK(!is_held());
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  struct pollfd entry = {pipes[0], POLLIN, 0};
  CHECK(poll(&entry, 1, 0) == 0);
}

static int waits(int set, struct epoll_event* event) { return epoll_wait(set, event, 2, 0); }

static void epoll_sets(void) {
  struct port port;
  struct epoll_event wanted = {.events = EPOLLOUT, .data.u64 = 42}, got[2];
  int pipes[2];
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  CHECK(pipe(pipes) == 0);
  int set = epoll_create1(0);
  EXPECT(ENOENT, epoll_ctl(set, EPOLL_CTL_MOD, port.fd, &wanted));
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_ADD, port.fd, &wanted));
  EXPECT(EEXIST, epoll_ctl(set, EPOLL_CTL_ADD, port.fd, &wanted));
  CHECK(waits(set, got) == 1 && got[0].events == EPOLLOUT && got[0].data.u64 == 42);
  // Level-triggered, and beside others.
  struct epoll_event other = {.events = EPOLLIN, .data.u64 = 43};
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &other));
  CHECK(waits(set, got) == 1 && write(pipes[1], "x", 1) == 1 && waits(set, got) == 2);
  CHECK(got[0].data.u64 + got[1].data.u64 == 85);
  wanted.events = EPOLLIN;
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_MOD, port.fd, &wanted));
  CHECK(waits(set, got) == 1 && got[0].data.u64 == 43);
  wanted.events = EPOLLOUT | EPOLLONESHOT;
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_MOD, port.fd, &wanted));
  CHECK(waits(set, got) == 2 && waits(set, got) == 1);
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_DEL, port.fd, NULL));
  EXPECT(ENOENT, epoll_ctl(set, EPOLL_CTL_DEL, port.fd, NULL));
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_ADD, port.fd, &wanted));
  close(set);
  // Another set with the number of one that is gone, and one that outlives what is in it.
  int next = epoll_create1(0);
  CHECK(next == set && waits(next, got) == 0);
  wanted.events = EPOLLOUT;
  EXPECT(0, epoll_ctl(next, EPOLL_CTL_ADD, port.fd, &wanted));
  CHECK(waits(next, got) == 1);
  port_close(&port);
  CHECK(waits(next, got) == 0);
  close(next);
  close(pipes[0]);
  close(pipes[1]);
}

// A child of vfork runs in this program's memory until it is another program, and its descriptors are its own.
static void children_in_our_memory(void) {
  struct port port;
  struct epoll_event wanted = {.events = EPOLLOUT, .data.u64 = 42}, got[2];
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  int set = epoll_create1(0);
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_ADD, port.fd, &wanted));
  const int copy = 300, devices = port.fd;
  pid_t child = vfork();
  if (child == 0) {
    dup2(devices, copy);
    fcntl(devices, F_DUPFD, copy);
    close(set);
    close(devices);
    close_range(3, ~0u, 0);
    _exit(0);
  }
  CHECK(ended_well(child));
  CHECK(waits(set, got) == 1 && got[0].data.u64 == 42);
  CHECK(works(port.fd) && is_held());
  EXPECT(EBADF, ioctl(copy, NIOCTXSYNC));
  EXPECT(EBADF, ioctl(copy + 1, NIOCTXSYNC));
  // A child of fork has a memory of its own, and so has everything as it was.
  child = fork();
  if (child == 0) {
    close(port.fd);
    _exit(waits(set, got) == 0 && open("/dev/netmap", O_RDWR) == port.fd && works(port.fd) == 0 ? 0 : 1);
  }
  CHECK(ended_well(child));
  CHECK(waits(set, got) == 1);
  port_close(&port);
  close(set);
  CHECK(!is_held());
}

enum { ROUNDS = 3000 };
static pthread_barrier_t together;
static int shared_set;

static void* count_events(void* told) {
  struct epoll_event got[2];
  for (int round = 0; round < ROUNDS; round++) {
    pthread_barrier_wait(&together);
    *(int*)told += waits(shared_set, got);
    pthread_barrier_wait(&together);
  }
  return NULL;
}

// Of what is asked for once one thread is told.
static void oneshot_among_threads(void) {
  struct port port;
  struct epoll_event wanted = {.events = EPOLLOUT | EPOLLONESHOT};
  EXPECT(0, port_open(&port, kName, REG_ALL_NIC, FLAG_EXCLUSIVE));
  shared_set = epoll_create1(0);
  EXPECT(0, epoll_ctl(shared_set, EPOLL_CTL_ADD, port.fd, &wanted));
  pthread_t threads[2];
  int told[2] = {0}, wrong = 0;
  pthread_barrier_init(&together, NULL, 3);
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, count_events, &told[i]) == 0);
  for (int round = 0; round < ROUNDS; round++) {
    EXPECT(0, epoll_ctl(shared_set, EPOLL_CTL_MOD, port.fd, &wanted));
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    wrong += told[0] + told[1] != round + 1;
  }
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  CHECK(wrong == 0 && told[0] + told[1] == ROUNDS);
  close(shared_set);
  port_close(&port);
}

int main(int argc, char** argv) {
  if (argc > 1) {
    int fd = atoi(argv[1]);
    return maps(fd) && works(fd) ? 0 : 1;
  }
  duplicates();
  children();
  messages();
  another_program(argv[0]);
  epoll_sets();
  children_in_our_memory();
  oneshot_among_threads();
  closing_ranges();
  return verdict();
}
