// What goes wrong around an application: `faults stand-in` plays the host itself and interrupts, hangs up; `faults
// memory PORT` gets no memory for doorbells; `faults end PORT` polls without sleeping until the host has gone.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "port.h"

static int listener;

static void listen_in(const char* folder) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/netmap.sock", folder);
  listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
  CHECK(bind(listener, (struct sockaddr*)&address, sizeof address) == 0 && listen(listener, 0) == 0);
  setenv("PTNETMAP", address.sun_path, 1);
}

static int interruptions;

static void let_one_in(int signal) {
  (void)signal;
  interruptions++;
  close(accept(listener, NULL, NULL));
}

// The backlog is full, and whoever waits is interrupted before there is a place.
static void interrupted_connect(void) {
  struct sigaction action = {.sa_handler = let_one_in};
  sigaction(SIGALRM, &action, NULL);
  int first = open("/dev/netmap", O_RDWR);
  CHECK(first >= 0);
  struct itimerval soon = {.it_value = {0, 50000}};
  setitimer(ITIMER_REAL, &soon, NULL);
  int second = open("/dev/netmap", O_RDWR);
  CHECK(second >= 0 && interruptions == 1);
  close(accept(listener, NULL, NULL));
  close(first);
  close(second);
}

static int in_set_of_kernel(int set) {
  struct epoll_event got[2];
  return (int)syscall(SYS_epoll_pwait, set, got, 2, 0, NULL, 0);
}

// A number that is closed is out of the set, though its open file is not closed and has something to say.
static void hung_up_in_a_set(void (*end)(int fd)) {
  struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 42}, got[2];
  int set = epoll_create1(0), fd = open("/dev/netmap", O_RDWR), host = accept(listener, NULL, NULL), copy = dup(fd);
  CHECK(fd >= 0 && host >= 0 && copy >= 0);
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted));
  end(fd);
  close(host);
  CHECK(in_set_of_kernel(set) == 0);
  CHECK(epoll_wait(set, got, 2, 0) == 0);
  close(copy);
  close(set);
}

static void by_close(int fd) { EXPECT(0, close(fd)); }
static void by_close_range(int fd) { EXPECT(0, close_range((unsigned)fd, (unsigned)fd, 0)); }
static void by_dup2(int fd) {
  CHECK(dup2(listener, fd) == fd);
  close(fd);
}
static void by_dup3(int fd) {
  CHECK(dup3(listener, fd, O_CLOEXEC) == fd);
  close(fd);
}

// A child has the set and the open file too: its end of them is its own business.
static void hung_up_beside_a_child(void) {
  struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 42}, got[2];
  int set = epoll_create1(0), fd = open("/dev/netmap", O_RDWR), host = accept(listener, NULL, NULL);
  EXPECT(0, epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted));
  int pair[2];
  CHECK(pipe(pair) == 0);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(host);
    close(pair[1]);
    _exit(read(pair[0], &byte, 1) == 1 && epoll_wait(set, got, 2, 1000) == 1 && got[0].data.u64 == 42 ? 0 : 1);
  }
  close(fd);
  close(host);
  CHECK(epoll_wait(set, got, 2, 0) == 0);
  CHECK(epoll_wait(set, got, 2, 20) == 0);
  CHECK(write(pair[1], "x", 1) == 1);
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  close(pair[0]);
  close(pair[1]);
  close(set);
}

static int stand_in(const char* folder) {
  listen_in(folder);
  interrupted_connect();
  hung_up_in_a_set(by_close);
  hung_up_in_a_set(by_close_range);
  hung_up_in_a_set(by_dup2);
  hung_up_in_a_set(by_dup3);
  hung_up_beside_a_child();
  return verdict();
}

// Every send fails from now on.
static void forbid_sends(void) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOBUFS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof program / sizeof *program, program};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

// The host looks after doorbells that are lost, so what is in the ring leaves.
static int no_memory(const char* name) {
  struct port port;
  EXPECT(0, port_open(&port, name, REG_ALL_NIC, 0));
  forbid_sends();
  EXPECT(ENOBUFS, (int)send(listener, "x", 1, 0));
  struct netmap_ring* tx = first_tx(&port);
  tx->slot[tx->head].len = 60;
  tx->head = tx->cur = next_of(tx, tx->head);
  const uint32_t before = tx->tail;
  while (failures == 0 && tx->tail == before) {
    EXPECT(0, ioctl(port.fd, NIOCTXSYNC));
    usleep(1000);
  }
  return verdict();
}

static int until_the_end(const char* name) {
  struct port port;
  EXPECT(0, port_open(&port, name, REG_ALL_NIC, 0));
  printf("{\"ready\":true}\n");
  fflush(stdout);
  struct pollfd entry = {port.fd, POLLIN, 0};
  while (poll(&entry, 1, 0) == 0) {
  }
  CHECK(entry.revents == POLLERR);
  return verdict();
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  if (strcmp(argv[1], "stand-in") == 0) return stand_in(argv[2]);
  return strcmp(argv[1], "memory") == 0 ? no_memory(argv[2]) : until_the_end(argv[2]);
}
