// What the guard's tests start as a host: it says what its mode has it say, writes down what it was given, and dies.
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
    std::ifstream before(log_);
    for (std::string line; std::getline(before, line);) starts_++;
    const char* count = getenv("LISTEN_FDS");
    if (count == nullptr) return;
    CHECK_EQ(std::stol(getenv("LISTEN_PID")), getpid());
    given_ = static_cast<int>(std::stol(count));
    std::string all = getenv("LISTEN_FDNAMES");
    for (size_t at = 0; at != std::string::npos;) {
      const size_t end = all.find(':', at);
      names_.push_back(all.substr(at, end - at));
      at = end == std::string::npos ? end : end + 1;
    }
    CHECK_EQ(names_.size(), static_cast<size_t>(given_));
  }

  /// Lines that were there when it started.
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
  const std::string log_;
  size_t starts_ = 0;
  int given_ = 0;
  std::vector<std::string> names_;
};

inline int StoreAndRemove(GuardedHost& host) {
  host.Log(host.Given());
  switch (host.starts()) {
    case 0:
      host.Store("a", {1});
      host.Store("two", {2, 3});
      host.Store("gone", {4});
      host.Remove("gone");
      host.Remove("never-there");
      CHECK_EQ(host.Say("FDSTORE=1", {host.Numbered(5)}), 0);
      break;
    case 1:
      host.Remove("two");
      host.Store("two", {6});
      break;
    case 2:
      break;
    default:
      return 0;
  }
  host.Die();
}

inline int StoreMany(GuardedHost& host) {
  constexpr uint32_t kMany = 700;
  if (host.starts() == 0) {
    host.Log("none");
    for (uint32_t i = 0; i < kMany; i += 7) {
      std::vector<uint32_t> numbers;
      for (uint32_t n = 0; n < 7; n++) numbers.push_back(i + n);
      host.Store("n" + std::to_string(i), numbers);
    }
    host.Die();
  }
  CHECK_EQ(host.given(), kMany);
  for (uint32_t i = 0; i < kMany; i++) CHECK_EQ(host.NumberIn(3 + static_cast<int>(i)), i);
  // Behind them nothing of the guard's.
  CHECK(fcntl(3 + static_cast<int>(kMany), F_GETFD) < 0);
  host.Log("all 700 in order");
  return 0;
}

inline int CountSignals(GuardedHost& host, bool deaf) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  host.Log(deaf ? std::to_string(getpid()) : "up");
  for (int number; !deaf && sigwait(&signals, &number) == 0;) {
    host.Log("signal " + std::to_string(number));
    if (number != SIGHUP) return 7;
  }
  for (;;) pause();
}

/// A process that is not the guard's child says the same as one that is.
inline int LetOthersSpeak(GuardedHost& host) {
  host.Log(host.Given());
  if (host.starts() > 0) return 0;
  const pid_t other = fork();
  if (other == 0) {
    host.Store("theirs", {1});
    _exit(host.Say("STOPPING=1"));
  }
  int status;
  CHECK_EQ(waitpid(other, &status, 0), other);
  CHECK_EQ(status, 0);
  host.Barrier();
  host.Die();
}

inline int StoreTooMany(GuardedHost& host) {
  if (host.starts() > 0) return host.Log(host.Given()), 0;
  host.Log("none");
  host.Store("two", {0, 1});
  const auto [end, theirs] = host.Pipe();
  CHECK_EQ(host.Say("FDSTORE=1\nFDNAME=more", {theirs, host.Numbered(9)}), 0);
  close(theirs);
  CHECK(host.IsClosed(end));
  host.Log("closed");
  host.Store("one", {2});
  host.Die();
}

inline int StoreLongNames(GuardedHost& host) {
  if (host.starts() > 0) return host.Log(std::to_string(host.given())), 0;
  host.Log("none");
  const int fd = host.Numbered(1);
  const std::string name = "FDNAME=" + std::string(63, 'x');
  for (int round = 0; round < 2; round++) {
    CHECK_EQ(host.Say("FDSTOREREMOVE=1\n" + name), 0);
    for (int i = 0; i < 3000; i++) CHECK_EQ(host.Say("FDSTORE=1\n" + name, {fd}), 0);
  }
  host.Die();
}

/// More at once than the guard can have: what has come of them is closed.
inline int StoreCut(GuardedHost& host) {
  if (host.starts() > 0) return host.Log(host.Given()), 0;
  host.Log("none");
  const auto [end, theirs] = host.Pipe();
  CHECK_EQ(host.Say("FDSTORE=1", std::vector<int>(100, theirs)), 0);
  close(theirs);
  CHECK(host.IsClosed(end));
  host.Log("closed");
  host.Die();
}

/// Says `what` many times, each time with a descriptor; the guard has none more afterwards.
template <class Saying>
int SayMuch(GuardedHost& host, Saying what) {
  if (host.starts() > 0) return host.Log(host.Given()), 0;
  host.Log("none");
  host.Barrier();
  const size_t before = host.GuardsFds();
  what();
  host.Barrier();
  host.Log(host.GuardsFds() == before ? "as many descriptors as before" : "more descriptors");
  host.Die();
}

inline void SayWhatIsRefused() {
  const std::string store = "FDSTORE=1\nFDNAME=", long_name(64, 'x');
  for (const std::string& text :
       {store, store + "a:b", store + "a\tb", store + "\xc3\xa4", store + long_name, store + "a\nFDNAME=b",
        store + "a\nFDSTOREREMOVE=1", std::string("FDSTOREREMOVE=1"), std::string("FDSTORE=2"), std::string("READY=1"),
        std::string("FDSTORE=1\0FDNAME=a", 18), std::string("FDSTORE=1\n") + std::string(5000, 'x'), std::string()}) {
    const auto [end, theirs] = GuardedHost::Pipe();
    CHECK_EQ(GuardedHost::Say(text, {theirs, theirs}), 0);
    close(theirs);
    CHECK(GuardedHost::IsClosed(end));
    close(end);
  }
  CHECK_EQ(GuardedHost::Say("FDSTORE=1"), 0);
  GuardedHost::Store("for-a-moment", {1, 2, 3});
  GuardedHost::Remove("for-a-moment");
}

/// Words in any order, and bytes; what happens to be stored is removed.
inline void SayNonsense() {
  Random random("guard");
  const std::vector<std::string> words = {"FDSTORE=1", "FDSTOREREMOVE=1", "FDNAME=a", "FDNAME=", "FDPOLL=0",
                                          "BARRIER=1", "READY=1",         "\n",       "=",       "\xff",
                                          "FDNAME=b"};
  const int fd = GuardedHost::Numbered(1);
  for (int i = 0; i < 5000; i++) {
    std::string text;
    for (uint32_t n = random.Below(6); n > 0; n--)
      text += words[random.Below(static_cast<uint32_t>(words.size()))] + "\n";
    // No other name comes of that.
    if (random.OneIn(4) && !text.empty())
      text[random.Below(static_cast<uint32_t>(text.size()))] = "\xff\0:"[random.Below(3)];
    CHECK_EQ(GuardedHost::Say(text, std::vector<int>(random.Below(4), fd)), 0);
  }
  for (const char* name : {"a", "b", "stored"}) GuardedHost::Remove(name);
  close(fd);
}

inline int LiveOn(GuardedHost& host) {
  host.Log(std::to_string(getpid()));
  for (int i = 0; i < 2000; i++, usleep(5'000)) {
    if (host.Say("READY=1") != ECONNREFUSED) continue;
    host.Log("nobody listens");
    return 0;
  }
  return 1;
}

/// Of this process: with the one that looks.
inline size_t CountFds() {
  size_t count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  for (const dirent* entry; (entry = readdir(folder)) != nullptr;) count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

inline int TellLimits(GuardedHost& host) {
  const size_t fds = CountFds();
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  sigset_t blocked, none;
  sigprocmask(SIG_SETMASK, nullptr, &blocked);
  sigemptyset(&none);
  const std::string signals = memcmp(&blocked, &none, 8) == 0 ? "no signal blocked" : "signals blocked";
  host.Log(std::to_string(files.rlim_cur) + " files, " + signals + ", " + std::to_string(fds) + " descriptors");
  return 0;
}

inline int RunHost(const std::string& mode, const std::string& folder) {
  GuardedHost host(folder);
  const size_t starts = host.starts();
  if (mode == "store") return StoreAndRemove(host);
  if (mode == "many") return StoreMany(host);
  if (mode == "signals" || mode == "deaf") return CountSignals(host, mode == "deaf");
  if (mode == "others") return LetOthersSpeak(host);
  if (mode == "too-many") return StoreTooMany(host);
  if (mode == "long-names") return StoreLongNames(host);
  if (mode == "cut") return StoreCut(host);
  if (mode == "refused") return SayMuch(host, SayWhatIsRefused);
  if (mode == "nonsense") return SayMuch(host, SayNonsense);
  if (mode == "orphan") return LiveOn(host);
  if (mode == "limits") return TellLimits(host);
  if (mode == "last-words") {
    host.Log(host.Given());
    for (uint32_t i = 0; i < 8 && starts == 0; i++) host.Store("a", {i});
    return starts == 0 ? raise(SIGKILL) : 0;
  }
  host.Log(std::to_string(host.NowMs()));
  if (mode == "times") return starts < 5 ? raise(SIGKILL) : 0;
  if (mode == "once-more") return starts < 1 ? raise(SIGKILL) : 0;
  if (mode == "calm" || mode == "never-ready") {
    if (mode == "calm") CHECK_EQ(host.Say("READY=1"), 0);
    usleep(60'000);
    return starts < 5 ? raise(SIGKILL) : 0;
  }
  if (mode == "exit-3") return starts == 0 ? 3 : 0;
  if (mode == "stopping") return host.Say("STOPPING=1") + raise(SIGKILL);
  return mode == "exit-2" ? 2 : 0;
}

}  // namespace ptnet::test
