// Counts the system calls of one thread of another process: `syscalls THREAD MS`. Prints one line of JSON: how many
// there were in so long, all together and by number. It stops at each, so a thread that makes none goes as fast as
// ever.
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { CALLS_MAX = 1024, SYSCALL_STOP = SIGTRAP | 0x80 };

static volatile sig_atomic_t over;

static void end(int signal) {
  (void)signal;
  over = 1;
}

static void fail(const char* what) {
  fprintf(stderr, "syscalls: %s: %s\n", what, strerror(errno));
  exit(1);
}

// The next stop; 0 when the time is over first.
static int next_stop(pid_t thread, int* status) {
  while (!over) {
    if (waitpid(thread, status, __WALL) == thread) return 1;
    if (errno != EINTR) fail("waitpid");
  }
  return 0;
}

int main(int argc, char** argv) {
  const pid_t thread = argc == 3 ? atoi(argv[1]) : 0;
  const int ms = argc == 3 ? atoi(argv[2]) : 0;
  if (thread <= 0 || ms <= 0) {
    errno = EINVAL;
    fail("usage: syscalls THREAD MS");
  }
  static uint64_t calls[CALLS_MAX];
  uint64_t all = 0;
  int status = 0;
  if (ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD) != 0) fail("ptrace");
  if (ptrace(PTRACE_INTERRUPT, thread, 0, 0) != 0) fail("ptrace");
  if (waitpid(thread, &status, __WALL) != thread) fail("waitpid");
  const struct sigaction action = {.sa_handler = end};
  sigaction(SIGALRM, &action, NULL);
  // Again and again: the first one may come between a look at `over` and the wait.
  const struct itimerval limit = {{0, 1000}, {ms / 1000, ms % 1000 * 1000}};
  setitimer(ITIMER_REAL, &limit, NULL);
  long pass = 0;
  for (;;) {
    if (ptrace(PTRACE_SYSCALL, thread, 0, pass) != 0) fail("ptrace");
    if (!next_stop(thread, &status)) break;
    if (!WIFSTOPPED(status)) {
      errno = ESRCH;
      fail("the thread has ended");
    }
    pass = 0;
    if (WSTOPSIG(status) != SYSCALL_STOP) {
      if (status >> 16 == 0) pass = WSTOPSIG(status);
      continue;
    }
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, thread, 0, &regs) != 0) fail("ptrace");
    // At its entry a call has no result yet.
    if ((long long)regs.rax != -ENOSYS) continue;
    all++;
    if (regs.orig_rax < CALLS_MAX) calls[regs.orig_rax]++;
  }
  ptrace(PTRACE_INTERRUPT, thread, 0, 0);
  if (waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) ptrace(PTRACE_DETACH, thread, 0, 0);
  printf("{\"all\":%llu,\"calls\":{", (unsigned long long)all);
  const char* before = "";
  for (int i = 0; i < CALLS_MAX; i++) {
    if (calls[i] == 0) continue;
    printf("%s\"%d\":%llu", before, i, (unsigned long long)calls[i]);
    before = ",";
  }
  printf("}}\n");
  return 0;
}
