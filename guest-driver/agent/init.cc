// The agent as PID 1: mounts, console, a line a command, and a process a command so that none takes the machine with
// it.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "commands.h"
#include "core/policy.h"

namespace ptnet::agent {
namespace {

constexpr int64_t kGraceNs = 10 * guest::kNsPerSecond;  // for a command beyond its own --timeout
constexpr int64_t kRetryNs = 100'000'000;
constexpr size_t kMaxLine = 4096;

void OpenConsole() {
  const int fd = open("/dev/console", O_RDWR | O_NOCTTY);
  if (fd >= 0) {
    for (int i = 0; i < 3; ++i) dup2(fd, i);
    if (fd > 2) close(fd);
  }
  termios mode;
  if (tcgetattr(0, &mode) != 0) return;
  // No echo and no translation; a carriage return still ends a line.
  cfmakeraw(&mode);
  mode.c_iflag |= ICRNL;
  tcsetattr(0, TCSANOW, &mode);
}

/// The next line of the console, without its end; characters beyond kMaxLine are dropped.
std::string ReadLine() {
  std::string line;
  char c;
  for (;;) {
    const ssize_t n = read(0, &c, 1);
    if (n != 1) {
      // A console that is gone must not make PID 1 spin, nor end.
      guest::NapNs(kRetryNs);
    } else if (c == '\n') {
      return line;
    } else if (line.size() < kMaxLine) {
      line += c;
    }
  }
}

void Restart(const std::string& op) {
  PrintResult(Json().Set("op", op).Set("ok", true));
  StopAllDevices();
  tcdrain(1);
  sync();
  reboot(op == "reboot" ? RB_AUTOBOOT : RB_POWER_OFF);
}

/// Waits for the child, SIGCHLD being blocked; kills it when it is far beyond its time. @return its wait status.
int Await(pid_t child, int64_t limit_ns, const sigset_t& child_ended, bool& killed) {
  int status = 0;
  const int64_t deadline = guest::NowNs() + limit_ns;
  while (waitpid(child, &status, WNOHANG) == 0) {
    const int64_t left = std::max<int64_t>(0, deadline - guest::NowNs());
    if (left == 0 && !killed) {
      kill(child, SIGKILL);
      killed = true;
    }
    const timespec limit = {left / guest::kNsPerSecond + (killed ? 1 : 0), left % guest::kNsPerSecond};
    sigtimedwait(&child_ended, nullptr, &limit);
  }
  return status;
}

void RunCommand(const std::vector<std::string>& words) {
  Args args(words);
  const double timeout = args.Positive("timeout", kTimeoutSeconds);
  sigset_t child_ended;
  sigset_t before;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_ended, &before);
  const pid_t child = fork();
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    Args own(words);
    PrintResult(Dispatch(own));
    _exit(0);
  }
  if (child < 0) return PrintResult(Failure(args.op(), std::string("fork: ") + strerror(errno)));
  bool killed = false;
  const int64_t limit = static_cast<int64_t>(timeout * guest::kNsPerSecond) + kGraceNs;
  const int status = Await(child, limit, child_ended, killed);
  if (WIFEXITED(status)) return;
  StopAllDevices();
  PrintResult(Failure(args.op(), killed ? "timeout: the command was killed"
                                        : std::string("the command died: ") + strsignal(WTERMSIG(status))));
}

}  // namespace

void RunAsInit() {
  mount("proc", "/proc", "proc", 0, nullptr);
  mount("sysfs", "/sys", "sysfs", 0, nullptr);
  mount("devtmpfs", "/dev", "devtmpfs", 0, nullptr);
  OpenConsole();
  PrintLine("PTNET-READY");
  for (;;) {
    const std::vector<std::string> words = Split(ReadLine(), ' ');
    if (words.empty()) continue;
    if (words[0] == "reboot" || words[0] == "poweroff")
      Restart(words[0]);
    else
      RunCommand(words);
  }
}

}  // namespace ptnet::agent
