// A host as the guard's tests start it: what it was given, or was sent when its turn came, and how it speaks to the
// guard.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "check.h"

namespace ptnet::test {

class GuardedHost {
 public:
  explicit GuardedHost(const std::string& folder) : log_(folder + "/log") {
    const char* count = getenv("LISTEN_FDS");
    if (count != nullptr) {
      CHECK_EQ(std::stol(getenv("LISTEN_PID")), getpid());
      given_ = static_cast<int>(std::stol(count));
      AddNames(getenv("LISTEN_FDNAMES"));
      CHECK_EQ(names_.size(), static_cast<size_t>(given_));
      if (names_ == std::vector<std::string>{"turn"}) AwaitTurn(folder);
    }
    std::ifstream before(log_);
    for (std::string line; std::getline(before, line);) starts_++;
  }

  /// It was started before its turn came.
  bool was_spare() const { return was_spare_; }
  /// Lines that were there when its turn came.
  size_t starts() const { return starts_; }
  int given() const { return given_; }
  void Log(const std::string& line) const { std::ofstream(log_, std::ios::app) << line + "\n"; }
  /// Each descriptor with the number that is in it.
  std::string Given() const {
    std::string all;
    for (int i = 0; i < given_; i++)
      all += (i > 0 ? " " : "") + names_[static_cast<size_t>(i)] + "=" + std::to_string(NumberIn(3 + i));
    return all.empty() ? "none" : all;
  }
  static uint32_t NumberIn(int fd) {
    uint32_t number = UINT32_MAX;
    CHECK_EQ(pread(fd, &number, sizeof number, 0), sizeof number);
    return number;
  }
  /// Memory with a number in it.
  static int Numbered(uint32_t number) {
    const int fd = memfd_create("numbered", MFD_CLOEXEC);
    CHECK_EQ(pwrite(fd, &number, sizeof number, 0), sizeof number);
    return fd;
  }

  /// 0, or why it could not be said.
  static int Say(const std::string& text, const std::vector<int>& fds = {}) {
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, getenv("NOTIFY_SOCKET"), sizeof address.sun_path - 1);
    iovec bytes{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))] = {};
    msghdr message{&address, sizeof address, &bytes, 1, nullptr, 0, 0};
    if (!fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* const header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    const int error = sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
    close(fd);
    return error;
  }
  static void Store(const std::string& name, const std::vector<uint32_t>& numbers) {
    std::vector<int> fds;
    for (const uint32_t number : numbers) fds.push_back(Numbered(number));
    CHECK_EQ(Say("FDSTORE=1\nFDNAME=" + name + "\nFDPOLL=0", fds), 0);
    for (const int fd : fds) close(fd);
  }
  static void Remove(const std::string& name) { CHECK_EQ(Say("FDSTOREREMOVE=1\nFDNAME=" + name), 0); }
  /// What was said before has been dealt with.
  static void Barrier() {
    const auto [end, theirs] = Pipe();
    CHECK_EQ(Say("BARRIER=1", {theirs}), 0);
    close(theirs);
    CHECK(IsClosed(end));
    close(end);
  }
  /// The end that is read, and one to give away.
  static std::pair<int, int> Pipe() {
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    return {ends[0], ends[1]};
  }
  /// Nobody has the other end any more, within ten seconds.
  static bool IsClosed(int end) {
    pollfd closed{end, POLLIN, 0};
    return poll(&closed, 1, 10'000) == 1 && (closed.revents & POLLHUP) != 0;
  }
  static size_t GuardsFds() {
    const std::string path = "/proc/" + std::to_string(getppid()) + "/fd";
    size_t count = 0;
    DIR* const folder = opendir(path.c_str());
    CHECK(folder != nullptr);
    while (readdir(folder) != nullptr) count++;
    closedir(folder);
    return count;
  }
  static long NowMs() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
  }
  [[noreturn]] static void Die() {
    raise(SIGKILL);
    abort();
  }

 private:
  void AddNames(const std::string& all) {
    for (size_t at = 0; at != std::string::npos;) {
      const size_t end = all.find(':', at);
      names_.push_back(all.substr(at, end - at));
      at = end == std::string::npos ? end : end + 1;
    }
  }

  /// Says in "FOLDER/spare" that it waits, and takes the place of one that was started with what it is sent.
  void AwaitTurn(const std::string& folder) {
    was_spare_ = true;
    names_.clear();
    std::ofstream(folder + "/spare", std::ios::app) << getpid() << "\n";
    std::vector<int> fds;
    for (;;) {
      char text[64 * 253];
      alignas(cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))];
      iovec bytes{text, sizeof text};
      msghdr message{nullptr, 0, &bytes, 1, control, sizeof control, 0};
      const ssize_t length = recvmsg(3, &message, 0);
      // The guard has ended.
      if (length <= 0) _exit(0);
      CHECK_EQ(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
      const cmsghdr* const header = CMSG_FIRSTHDR(&message);
      if (header == nullptr) break;
      const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      const size_t before = fds.size();
      fds.resize(before + count);
      memcpy(fds.data() + before, CMSG_DATA(header), count * sizeof(int));
      AddNames({text, static_cast<size_t>(length)});
      CHECK_EQ(names_.size(), fds.size());
    }
    given_ = static_cast<int>(fds.size());
    for (int& fd : fds) fd = fcntl(fd, F_DUPFD, 3 + given_);
    close_range(3, static_cast<unsigned>(2 + given_), 0);
    for (int i = 0; i < given_; i++) CHECK(dup2(fds[static_cast<size_t>(i)], 3 + i) >= 0);
    close_range(static_cast<unsigned>(3 + given_), ~0U, 0);
  }

  const std::string log_;
  bool was_spare_ = false;
  size_t starts_ = 0;
  int given_ = 0;
  std::vector<std::string> names_;
};

}  // namespace ptnet::test
