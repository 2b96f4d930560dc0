// What the guard's tests start as a host: it says what its mode has it say, writes down what it was given, and dies.
#pragma once

#include "guarded_host.h"

namespace ptnet::test {

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

/// As StoreMany, with spares: each dies when the next one waits for its turn. The first one is none.
inline int LetSparesFollow(GuardedHost& host, const std::string& folder) {
  constexpr uint32_t kMany = 700;
  const auto spares = [&folder] {
    std::ifstream file(folder + "/spare");
    size_t count = 0;
    for (std::string line; std::getline(file, line);) count++;
    return count;
  };
  const size_t starts = host.starts();
  if (starts == 0) {
    for (uint32_t i = 0; i < kMany; i++) host.Store("n" + std::to_string(i), {i});
  } else {
    CHECK_EQ(host.given(), kMany);
    for (uint32_t i = 0; i < kMany; i++) CHECK_EQ(host.NumberIn(3 + static_cast<int>(i)), i);
  }
  CHECK_EQ(host.Say("READY=1"), 0);
  for (int i = 0; i < 2000 && spares() <= starts; i++) usleep(5'000);
  host.Log(host.was_spare() ? "a spare" : "no spare");
  return starts < 3 ? raise(SIGKILL) : 0;
}

/// Starts another host, which goes on in its place, as `ptnet upgrade` does: the guard's child when this one has ended.
inline int Hand(GuardedHost& host, bool dies_early) {
  if (host.starts() > 0) {
    host.Log(host.Given());
    return 0;
  }
  host.Store("a", {1});
  const pid_t first = getpid(), next = fork();
  if (next == 0) {
    if (dies_early) host.Die();
    while (getppid() == first) usleep(1'000);
    // Heard, as the one that is the host.
    host.Store("b", {2});
    host.Log("went on");
    host.Barrier();
    host.Die();
  }
  CHECK_EQ(host.Say("READY=1\nMAINPID=" + std::to_string(next)), 0);
  if (!dies_early) return 0;
  host.Log("died early");
  int status;
  CHECK_EQ(waitpid(next, &status, 0), next);
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
  if (mode == "spares") return LetSparesFollow(host, folder);
  if (mode == "hands" || mode == "hands-dead") return Hand(host, mode == "hands-dead");
  if (mode == "last-words") {
    host.Log(host.Given());
    for (uint32_t i = 0; i < 8 && starts == 0; i++) host.Store("a", {i});
    return starts == 0 ? raise(SIGKILL) : 0;
  }
  if (mode == "ready-again") {
    host.Log(std::to_string(getpid()));
    CHECK_EQ(host.Say("READY=1"), 0);
    for (;;) pause();
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
