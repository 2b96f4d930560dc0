// The guard: a host that dies and is started again with what it has stored. This program is the host as well.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "check.h"
#include "guard_host.h"
#include "temp_folder.h"

namespace ptnet::test {
namespace {

using Strings = std::vector<std::string>;

/// What the hosts of one guard wrote, a line each.
Strings Lines(const Folder& folder) {
  std::ifstream file(folder.path + "/log");
  Strings lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

void AwaitLines(const Folder& folder, size_t count) {
  for (int i = 0; i < 2000 && Lines(folder).size() < count; i++) usleep(5'000);
  CHECK(Lines(folder).size() >= count);
}

std::string Self() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  CHECK(length > 0);
  return std::string(path, static_cast<size_t>(length));
}

struct Guard {
  explicit Guard(const std::string& mode, Strings options = {}, rlimit files = {}, const std::string& program = Self(),
                 void (*before)(const std::string& socket) = nullptr) {
    if (before != nullptr) before(folder / "notify");
    const std::string self = Self(), guard = self.substr(0, self.rfind('/')) + "/ptnet-guard";
    Strings all = {guard};
    all.insert(all.end(), options.begin(), options.end());
    for (const std::string& word : {folder.path + "/notify", program, std::string("host"), mode, folder.path})
      all.push_back(word);
    std::vector<char*> argv;
    for (std::string& word : all) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid = fork();
    if (pid == 0) {
      if (files.rlim_max > 0) setrlimit(RLIMIT_NOFILE, &files);
      const int quiet = open((folder.path + "/errors").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      dup2(quiet, 2);  // what is left of it is nobody's: neither the guard's nor the host's
      execv(guard.c_str(), argv.data());
      _exit(99);
    }
    CHECK(pid > 0);
  }
  ~Guard() {
    if (pid > 0) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
  /// Its exit code, within ten seconds.
  int End() {
    int status = 0;
    for (int i = 0; i < 2000; i++, usleep(5'000))
      if (waitpid(pid, &status, WNOHANG) == pid) {
        pid = 0;
        CHECK(WIFEXITED(status));
        CHECK(access((folder.path + "/notify").c_str(), F_OK) != 0);
        return WEXITSTATUS(status);
      }
    Fail(__FILE__, __LINE__, "the guard does not end");
  }
  std::string Errors() const {
    std::ifstream file(folder.path + "/errors");
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }

  Folder folder;
  pid_t pid = 0;
};

void CheckLines(const Guard& guard, const Strings& expected) {
  const Strings lines = Lines(guard.folder);
  for (size_t i = 0; i < std::max(lines.size(), expected.size()); i++) {
    const std::string have = i < lines.size() ? lines[i] : "(none)",
                      want = i < expected.size() ? expected[i] : "(none)";
    if (have != want) Fail(__FILE__, __LINE__, "line " + std::to_string(i) + ": " + have + ", expected " + want);
  }
}

void NamesAndOrderSurvive() {
  Guard guard("store");
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"none", "a=1 two=2 two=3 stored=5", "a=1 stored=5 two=6", "a=1 stored=5 two=6"});
}

void WhatTheDeadHasSaidCounts() {
  Guard guard("last-words");
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"none", "a=0 a=1 a=2 a=3 a=4 a=5 a=6 a=7"});
}

void ManyKeepTheirPlaces() {
  Guard guard("many");
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"none", "all 700 in order"});
}

/// Times between starts, in ms.
std::vector<long> Gaps(const Guard& guard) {
  std::vector<long> gaps;
  const Strings lines = Lines(guard.folder);
  for (size_t i = 1; i < lines.size(); i++) gaps.push_back(std::stol(lines[i]) - std::stol(lines[i - 1]));
  return gaps;
}

void DelaysGrow() {
  Guard guard("times", {"--first-ms", "60", "--most-ms", "200"});
  CHECK_EQ(guard.End(), 0);
  const std::vector<long> gaps = Gaps(guard), least = {0, 60, 120, 200, 200};
  CHECK_EQ(gaps.size(), least.size());
  for (size_t i = 0; i < gaps.size(); i++) CHECK(gaps[i] >= least[i]);
}

void TheFirstRestartIsAtOnce() {
  Guard guard("once-more", {"--first-ms", "60000"});
  CHECK_EQ(guard.End(), 0);
  CHECK_EQ(Lines(guard.folder).size(), 2u);
}

void CalmEndsDelays() {
  Guard calm("calm", {"--first-ms", "60000", "--calm-ms", "20"});
  CHECK_EQ(calm.End(), 0);
  CHECK_EQ(Lines(calm.folder).size(), 6u);
}

/// One that never says that it serves has not been calm, however long it lived.
void LifeWithoutServiceIsNotCalm() {
  Guard guard("never-ready", {"--first-ms", "60000", "--calm-ms", "20"});
  AwaitLines(guard.folder, 2);
  usleep(300'000);
  CHECK_EQ(Lines(guard.folder).size(), 2u);
  kill(guard.pid, SIGTERM);
  CHECK_EQ(guard.End(), 128 + SIGTERM);
}

void SomeEndsAreMeant() {
  for (const auto& [mode, code, starts] : std::vector<std::tuple<std::string, int, size_t>>{
           {"exit-0", 0, 1}, {"exit-2", 2, 1}, {"exit-3", 0, 2}, {"stopping", 128 + SIGKILL, 1}}) {
    Guard guard(mode);
    CHECK_EQ(guard.End(), code);
    CHECK_EQ(Lines(guard.folder).size(), starts);
  }
  Guard nothing("exit-0", {}, {}, "/nowhere/at-all");
  CHECK_EQ(nothing.End(), 127);
}

void SignalsPassOn() {
  for (const int number : {SIGTERM, SIGINT}) {
    Guard guard("signals");
    AwaitLines(guard.folder, 1);
    kill(guard.pid, SIGHUP);
    AwaitLines(guard.folder, 2);
    kill(guard.pid, number);
    CHECK_EQ(guard.End(), 7);
    CheckLines(guard, {"up", "signal " + std::to_string(SIGHUP), "signal " + std::to_string(number)});
  }
  // Whoever is asked to end and is killed has ended.
  Guard guard("deaf");
  AwaitLines(guard.folder, 1);
  kill(guard.pid, SIGTERM);
  usleep(50'000);
  kill(static_cast<pid_t>(std::stol(Lines(guard.folder)[0])), SIGKILL);
  CHECK_EQ(guard.End(), 128 + SIGKILL);
}

void OthersAreNotHeard() {
  Guard guard("others");
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"none", "none"});
  CHECK(guard.Errors().find("somebody else") != std::string::npos);
}

void TooMuchIsRefusedWhole() {
  Guard guard("too-many", {"--fds", "3"});
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"none", "closed", "two=0 two=1 one=2"});
}

void NamesHaveAnEnd() {
  Guard guard("long-names");
  CHECK_EQ(guard.End(), 0);
  // Of 63 letters and what parts them, in 120 KiB.
  CheckLines(guard, {"none", "1920"});
}

void CutMessagesLeaveNothing() {
  Guard guard("cut", {}, {64, 64});
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"none", "closed", "none"});
  CHECK(guard.Errors().find("did not come whole") != std::string::npos);
}

void RefusalsLeaveNothing() {
  Guard guard("refused");
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"none", "as many descriptors as before", "none"});
}

void NonsenseLeavesNothing() {
  Guard guard("nonsense");
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"none", "as many descriptors as before", "none"});
}

void AKilledGuardTakesNobodyAlong() {
  Guard guard("orphan");
  AwaitLines(guard.folder, 1);
  kill(guard.pid, SIGKILL);
  CHECK_EQ(waitpid(guard.pid, nullptr, 0), guard.pid);
  guard.pid = 0;
  AwaitLines(guard.folder, 2);
  CheckLines(guard, {Lines(guard.folder)[0], "nobody listens"});
}

/// The socket of a guard that was killed is in nobody's way; a file that is none is not touched.
void LeftoversAreCleared() {
  Guard after_another("exit-0", {}, {}, Self(), [](const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(fd);
  });
  CHECK_EQ(after_another.End(), 0);
  Guard beside_a_file("exit-0", {}, {}, Self(), [](const std::string& path) { std::ofstream(path) << "mine"; });
  int status;
  CHECK_EQ(waitpid(beside_a_file.pid, &status, 0), beside_a_file.pid);
  beside_a_file.pid = 0;
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
  CHECK_EQ(access((beside_a_file.folder / "notify").c_str(), F_OK), 0);
}

/// What the guard needs for itself the host does not inherit.
void TheHostHasItsOwnLimitsAndSignals() {
  Guard guard("limits", {}, {100, 1000});
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"100 files, no signal blocked, 4 descriptors"});
}

/// Each restart is the turn of a process that was started before; all it needs reaches it, in as many messages as it
/// takes.
void SparesFollow() {
  Guard guard("spares", {"--spare-ms", "1"});
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"no spare", "a spare", "a spare", "a spare"});
}

std::vector<pid_t> Spares(const Guard& guard) {
  std::ifstream file(guard.folder.path + "/spare");
  std::vector<pid_t> pids;
  for (pid_t pid; file >> pid;) pids.push_back(pid);
  return pids;
}

/// One that is dead when its turn comes is in nobody's way, and another one is started after a while.
void ASpareMayDie() {
  Guard guard("ready-again", {"--spare-ms", "1", "--most-ms", "100"});
  for (size_t i = 0; i < 3; i++) {
    for (int wait = 0; wait < 2000 && Spares(guard).size() <= i; wait++) usleep(5'000);
    CHECK_EQ(Spares(guard).size(), i + 1);
    kill(Spares(guard).back(), SIGKILL);
  }
  kill(static_cast<pid_t>(std::stol(Lines(guard.folder)[0])), SIGKILL);
  AwaitLines(guard.folder, 2);
  kill(guard.pid, SIGTERM);
  CHECK_EQ(guard.End(), 128 + SIGTERM);
}

/// Neither the end of the guard nor its death leaves one behind.
void SparesGoWithTheGuard() {
  for (const int number : {SIGTERM, SIGKILL}) {
    Guard guard("ready-again", {"--spare-ms", "1"});
    for (int wait = 0; wait < 2000 && Spares(guard).empty(); wait++) usleep(5'000);
    kill(guard.pid, number);
    if (number == SIGTERM) {
      CHECK_EQ(guard.End(), 128 + SIGTERM);
    } else {
      CHECK_EQ(waitpid(guard.pid, nullptr, 0), guard.pid);
      guard.pid = 0;
      kill(static_cast<pid_t>(std::stol(Lines(guard.folder)[0])), SIGKILL);
    }
    const pid_t spare = Spares(guard).at(0);
    for (int wait = 0; wait < 2000 && kill(spare, 0) == 0; wait++) usleep(5'000);
    CHECK(kill(spare, 0) != 0);
  }
}

void AHostMayNameAnotherOne() {
  Guard guard("hands");
  CHECK_EQ(guard.End(), 0);
  CheckLines(guard, {"went on", "a=1 b=2"});
  // Which is dead by then, and was another one's child.
  Guard dead("hands-dead");
  CHECK_EQ(dead.End(), 0);
  CheckLines(dead, {"died early", "a=1"});
}

void RefusesOptions() {
  for (const Strings& options :
       std::vector<Strings>{{"--fds", "16385000000"}, {"--first-ms", "-1"}, {"--what", "1"}, {"--calm-ms", "1x"}}) {
    Guard guard("exit-0", options);
    int status;
    CHECK_EQ(waitpid(guard.pid, &status, 0), guard.pid);
    guard.pid = 0;
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    CHECK_EQ(Lines(guard.folder).size(), 0u);
  }
}

}  // namespace
}  // namespace ptnet::test

int main(int argc, char** argv) {
  using namespace ptnet::test;
  if (argc == 4 && std::string(argv[1]) == "host") return RunHost(argv[2], argv[3]);
  NamesAndOrderSurvive();
  WhatTheDeadHasSaidCounts();
  ManyKeepTheirPlaces();
  DelaysGrow();
  TheFirstRestartIsAtOnce();
  CalmEndsDelays();
  LifeWithoutServiceIsNotCalm();
  SomeEndsAreMeant();
  SignalsPassOn();
  OthersAreNotHeard();
  TooMuchIsRefusedWhole();
  NamesHaveAnEnd();
  CutMessagesLeaveNothing();
  RefusalsLeaveNothing();
  NonsenseLeavesNothing();
  AKilledGuardTakesNobodyAlong();
  LeftoversAreCleared();
  TheHostHasItsOwnLimitsAndSignals();
  SparesFollow();
  ASpareMayDie();
  SparesGoWithTheGuard();
  AHostMayNameAnotherOne();
  RefusesOptions();
}
