// Whoever serves a kept session is killed, at each of its system calls and at random, and another process goes on: its
// client gets each answer once, in order, and each message has had its effect once.
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <deque>

#include "eventually.h"
#include "kept_rig.h"

namespace ptnet {
namespace {

enum class Kind { kDoorbell, kPosted, kAddOne, kAddOneQuietly, kAsk, kCount };

Bytes Make(Kind kind, uint32_t payload) {
  switch (kind) {
    case Kind::kDoorbell:
      return Doorbell(0x84);
    case Kind::kPosted:
      return Doorbell(0x88, true);
    case Kind::kAsk:
      return Message(kAsk, payload);
    case Kind::kAddOne:
      return Message(kAddOne, payload);
    default: {
      Bytes bytes = Message(kAddOneQuietly, payload);
      const uint32_t flags = kVfioUserNoReply;
      memcpy(bytes.data() + 8, &flags, sizeof flags);
      return bytes;
    }
  }
}

bool IsAnswered(Kind kind) { return kind != Kind::kPosted && kind != Kind::kAddOneQuietly; }
bool Adds(Kind kind) { return kind == Kind::kAddOne || kind == Kind::kAddOneQuietly; }
size_t AnswerBytes(Kind kind) { return kind == Kind::kDoorbell ? sizeof(VfioUserRegionAccess) : 24; }

uint64_t Effects(const KeptRig& rig) { return rig.written->last.load() & UINT32_MAX; }

int Unread(const os::UniqueFd& fd) {
  int bytes = 0;
  CHECK_EQ(ioctl(fd.get(), FIONREAD, &bytes), 0);
  return bytes;
}

/// Takes the answer to a message of this kind, when `effects` have been.
void TakeAnswer(const KeptRig& rig, Kind kind, uint64_t effects) {
  uint8_t bytes[64];
  const auto size = static_cast<ssize_t>(AnswerBytes(kind));
  test::Eventually("an answer", [&] { return Unread(rig.client) >= size; });
  CHECK_EQ(recv(rig.client.get(), bytes, static_cast<size_t>(size), 0), size);
  VfioUserHeader header;
  memcpy(&header, bytes, sizeof header);
  CHECK_EQ(header.size, static_cast<uint32_t>(size));
  CHECK_EQ(header.flags, kVfioUserReply);
  if (kind == Kind::kDoorbell) return;
  uint64_t told;
  memcpy(&told, bytes + 16, sizeof told);
  CHECK_EQ(told, effects);
}

/// In a child: this process starts no threads, or it could not fork.
[[noreturn]] void Serve(const KeptRig& rig) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  KeptServer server(rig);
  if (server.error) _exit(2);
  for (;;) {
    if (server.Step() != KickSession::kGoOn) _exit(3);
    pollfd entry{rig.server.get(), POLLIN, 0};
    poll(&entry, 1, 1);
  }
}

/// A child that is stopped before each of its system calls and behind it.
pid_t StartStepped(const KeptRig& rig) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    Serve(rig);
  }
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSTOPPED(status));
  return pid;
}

void Kill(pid_t pid) {
  kill(pid, SIGKILL);
  int status;
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSIGNALED(status));
}

/// False when it had dealt with the message before that many stops.
bool KilledAtStop(Kind kind, int stops) {
  KeptRig rig;
  Write(rig.client, Make(kind, 600));
  const pid_t pid = StartStepped(rig);
  bool done = false;
  for (int i = 0; i < stops && !done; i++) {
    CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr), 0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSTOPPED(status));
    done = Unread(rig.server) == 0 && (rig.word().load() & 0xff) == 0;
  }
  Kill(pid);
  const pid_t next = fork();
  if (next == 0) Serve(rig);
  const auto settled = [&] { return Unread(rig.server) == 0 && (rig.word().load() & 0xff) == 0; };
  test::Eventually("the message is dealt with", settled);
  CHECK_EQ(Effects(rig), Adds(kind) ? 1u : 0u);
  CHECK_EQ(Unread(rig.client), IsAnswered(kind) ? static_cast<int>(AnswerBytes(kind)) : 0);
  if (IsAnswered(kind)) TakeAnswer(rig, kind, Effects(rig));
  // What comes next is dealt with as ever.
  Write(rig.client, Make(Kind::kAddOne, 0));
  TakeAnswer(rig, Kind::kAddOne, Adds(kind) ? 2 : 1);
  test::Eventually("the next one is", settled);
  Kill(next);
  return !done;
}

void AtEachSystemCall() {
  for (int kind = 0; kind < static_cast<int>(Kind::kCount); kind++) {
    int stops = 1;
    while (KilledAtStop(static_cast<Kind>(kind), stops)) stops++;
    // At least what it takes to look at a message and to take it.
    CHECK(stops > 4);
  }
}

class Killer {
 public:
  Killer() { Start(); }
  ~Killer() { Kill(pid_); }
  void Next() {
    Kill(pid_);
    Start();
    kills_++;
  }
  int kills() const { return kills_; }
  KeptRig rig;

 private:
  void Start() {
    pid_ = fork();
    if (pid_ == 0) Serve(rig);
  }
  pid_t pid_ = 0;
  int kills_ = 0;
};

void AtRandom() {
  test::Random random("kept_killed_test");
  Killer killer;
  const KeptRig& rig = killer.rig;
  uint64_t effects = 0;
  struct Asked {
    Kind kind;
    uint64_t effects;
  };
  std::deque<Asked> asked;
  uint64_t doorbells = 0;
  for (int i = 0; i < 1000; i++) {
    Bytes all;
    const uint32_t some = random.Below(4) + 1;
    for (uint32_t n = 0; n < some; n++) {
      const auto kind = static_cast<Kind>(random.Below(static_cast<uint32_t>(Kind::kCount)));
      Append(&all, Make(kind, random.Below(3000)));
      effects += Adds(kind);
      doorbells += kind == Kind::kDoorbell || kind == Kind::kPosted;
      if (IsAnswered(kind)) asked.push_back({kind, effects});
    }
    // In pieces, so that some come half.
    const size_t cut = random.Below(static_cast<uint32_t>(all.size()));
    Write(rig.client, {all.begin(), all.begin() + static_cast<ptrdiff_t>(cut)});
    if (random.OneIn(4)) {
      usleep(random.Below(300));
      killer.Next();
    }
    Write(rig.client, {all.begin() + static_cast<ptrdiff_t>(cut), all.end()});
    while (asked.size() > random.Below(6)) {
      if (random.OneIn(8)) killer.Next();
      TakeAnswer(rig, asked.front().kind, asked.front().effects);
      asked.pop_front();
    }
  }
  for (; !asked.empty(); asked.pop_front()) TakeAnswer(rig, asked.front().kind, asked.front().effects);
  while (Unread(rig.server) > 0) usleep(100);
  CHECK_EQ(Effects(rig), effects);
  CHECK_EQ(Unread(rig.client), 0);
  // At a death one is rung again, or was answered and is not rung: whoever goes on looks at all rings anyway.
  const auto kills = static_cast<uint64_t>(killer.kills());
  CHECK(rig.written->rung.load() + kills >= doorbells);
  CHECK(rig.written->rung.load() <= doorbells + kills);
}

}  // namespace
}  // namespace ptnet

int main() {
  signal(SIGPIPE, SIG_IGN);
  ptnet::AtEachSystemCall();
  ptnet::AtRandom();
}
