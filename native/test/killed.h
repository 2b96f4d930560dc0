// A process that is killed in the middle of a turn: what it leaves in shared memory behind each of its instructions,
// and where another one goes on.
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "check.h"
#include "datapath/flow.h"
#include "forward/port.h"

namespace ptnet::test {

/// Memory that outlives a process, as it was.
class Shared {
 public:
  void Add(void* base, size_t size) { parts_.push_back({static_cast<uint8_t*>(base), std::vector<uint8_t>(size)}); }
  bool Changed() const {
    for (const auto& [base, copy] : parts_)
      if (memcmp(base, copy.data(), copy.size()) != 0) return true;
    return false;
  }
  void Save() {
    for (auto& [base, copy] : parts_) memcpy(copy.data(), base, copy.size());
  }
  void Restore() const {
    for (const auto& [base, copy] : parts_) memcpy(base, copy.data(), copy.size());
  }

 private:
  std::vector<std::pair<uint8_t*, std::vector<uint8_t>>> parts_;
};

/// A child that does `turn`, an instruction at a time.
class Stepped {
 public:
  explicit Stepped(const std::function<void()>& turn) : pid_(fork()) {
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      raise(SIGSTOP);
      turn();
      raise(SIGSTOP);
      _exit(0);
    }
    CHECK_EQ(Wait(), SIGSTOP);
  }
  ~Stepped() { Kill(); }
  Stepped(const Stepped&) = delete;
  Stepped& operator=(const Stepped&) = delete;

  /// False when the turn is over.
  bool Step() {
    CHECK_EQ(ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr), 0);
    const int signal = Wait();
    CHECK(signal == SIGTRAP || signal == SIGSTOP);
    return signal == SIGTRAP;
  }
  void Kill() {
    if (const pid_t pid = std::exchange(pid_, 0)) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

 private:
  int Wait() const {
    int status = 0;
    CHECK_EQ(waitpid(pid_, &status, 0), pid_);
    CHECK(WIFSTOPPED(status));
    return WSTOPSIG(status);
  }
  pid_t pid_;
};

/// What `turn` leaves in `shared` when it ends behind any of its instructions: `check` finds each of these states, and
/// may do there what it likes. Where nothing of it has changed it is the state of before. The last one stays. @return
/// how many.
inline uint32_t AtEachInstant(Shared& shared, const std::function<void()>& turn, const std::function<void()>& check) {
  uint32_t states = 1;
  Stepped child(turn);
  shared.Save();
  check();
  shared.Restore();
  for (bool goes_on = true; goes_on;) {
    goes_on = child.Step();
    if (!shared.Changed()) continue;
    shared.Save();
    check();
    shared.Restore();
    states++;
  }
  return states;
}

/// What the records say, in the places of a port that another process goes on with. Of a pipe: `rx` is the other end's
/// ring that each tx ring is joined to.
inline void TakeRecorded(Port& port, PortPlaces* places) {
  for (uint32_t i = 0; i < port.rings(); i++) {
    Kring* k = &port.kring(i);
    PortPlaces::Ring& ring = places->rings[i];
    const auto [other, joined] = port.JoinedTo(i);
    if (k->dir == Dir::kRx || other != nullptr) {
      const auto [cur, tail] = PlaceRecord::Of(k->dir == Dir::kRx ? *k->counters : *other->kring(joined).counters);
      ring.hwcur = k->dir == Dir::kRx ? cur : tail;
      ring.hwtail = k->dir == Dir::kRx ? tail : k->Prev(cur);
    } else {
      ring.hwcur = PlaceRecord::Of(*k->counters).second;
      ring.hwtail = k->Prev(ring.hwcur);
    }
  }
}

/// The places of a port whose process is gone: nothing of that one's own memory is looked at but where they lie.
inline std::shared_ptr<const PortPlaces> RecordedPlaces(Port& port) {
  auto places = std::make_shared<PortPlaces>(port.Places());
  TakeRecorded(port, places.get());
  return places;
}

/// `now` serves the clients of `before`, and shows them what was recorded, as Attachment::Resume() does.
inline void ServeClientsOf(Port& before, Port& now) {
  for (uint32_t i = 0; i < now.rings(); i++) {
    Kring &k = now.kring(i), &old = before.kring(i);
    k.atok = old.atok;
    k.ktoa = old.ktoa;
    k.interrupt = old.interrupt;
    k.vnet_hdr_len = old.vnet_hdr_len;
    k.Publish();
  }
}

inline void PollUntilQuiet(std::initializer_list<Flow*> flows) {
  for (bool moved = true; moved;) {
    moved = false;
    for (Flow* flow : flows) moved |= flow->Poll(kSyncBudget).moved;
  }
}

}  // namespace ptnet::test
