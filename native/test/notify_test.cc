// One vector's interrupt: raised, missed, replaced, ended; none of it waits for the peer.
#include "datapath/notify.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint64_t kFull = UINT64_MAX - 1;

struct Vector {
  std::shared_ptr<InterruptPeer> peer = std::make_shared<InterruptPeer>(std::make_shared<InterruptLanes>());
  std::shared_ptr<Interrupt> interrupt = std::make_shared<Interrupt>(peer);
  RingCounters counters;

  void Set(int fd) { interrupt->Set(fd >= 0 ? PeerEventfd::Duplicate(fd) : nullptr); }
  void Raise(int times = 1) {
    while (times-- > 0) interrupt->Raise(counters);
  }
  /// Whether it had something that was taken.
  bool End() {
    auto left = interrupt->End();
    if (!left) return false;
    peer->Drain({left}, counters);
    CHECK(left->taken);
    return left->had_signals;
  }
};

int Eventfd(int flags = EFD_NONBLOCK) {
  const int fd = eventfd(0, EFD_CLOEXEC | flags);
  CHECK(fd >= 0);
  return fd;
}

/// What it holds now; 0 when nothing.
uint64_t Count(int fd) {
  uint64_t count = 0;
  return read(fd, &count, sizeof count) == sizeof count ? count : 0;
}

void EachOneIsCounted() {
  Vector v;
  const int fd = Eventfd();
  v.Set(fd);
  v.Raise(3);
  CHECK_EQ(Count(fd), 3u);
  CHECK_EQ(v.counters.interrupts, 3u);
  CHECK_EQ(v.peer->moved_off(), false);
  close(fd);
}

/// A write would wait for room.
void AFullEventfdIsNotWaitedFor() {
  Vector v;
  const int fd = Eventfd(0);
  CHECK(write(fd, &kFull, sizeof kFull) == sizeof kFull);
  v.Set(fd);
  v.Raise(100);
  CHECK(Count(fd) >= kFull);
  v.Raise();
  CHECK_EQ(Count(fd), 1u);
  close(fd);
}

void WhatWasMissedComesOnce() {
  Vector v;
  v.Raise(2);
  v.interrupt->RaiseMissed(v.counters);  // there is still no eventfd
  CHECK_EQ(v.counters.interrupts, 0u);
  const int fd = Eventfd();
  v.Set(fd);
  CHECK_EQ(Count(fd), 0u);
  v.interrupt->RaiseMissed(v.counters);
  v.interrupt->RaiseMissed(v.counters);
  CHECK_EQ(Count(fd), 1u);
  CHECK_EQ(v.counters.interrupts, 1u);
  v.Raise();
  CHECK_EQ(v.counters.interrupts, 2u);
  close(fd);
}

/// Also into an eventfd that is full, and was made to wait.
void WhatWasMissedIsNotWaitedFor() {
  Vector v;
  v.Raise();
  const int fd = Eventfd(0);
  CHECK(write(fd, &kFull, sizeof kFull) == sizeof kFull);
  v.Set(fd);
  v.interrupt->RaiseMissed(v.counters);
  CHECK(Count(fd) >= kFull);
  close(fd);
}

void AMaskedOneIsSilent() {
  Vector v;
  const int fd = Eventfd();
  v.Set(fd);
  v.Set(-1);
  v.Raise();
  v.interrupt->RaiseMissed(v.counters);
  CHECK_EQ(Count(fd), 0u);
  CHECK_EQ(v.counters.interrupts, 0u);
  v.Set(fd);
  v.interrupt->RaiseMissed(v.counters);
  CHECK_EQ(Count(fd), 1u);
  close(fd);
}

void AfterTheEndNothingIsLeft() {
  for (const int flags : {0, int{EFD_NONBLOCK}}) {
    Vector v;
    const int fd = Eventfd(flags);
    v.Set(fd);
    CHECK(!v.End());
    close(fd);
    Vector w;
    const int other = Eventfd(flags);
    w.Set(other);
    w.Raise(2);
    CHECK(w.End());
    // Neither what is raised from now on, nor what is set.
    w.Raise();
    w.interrupt->RaiseOnLane();
    w.Set(other);
    w.Raise();
    w.interrupt->RaiseMissed(w.counters);
    CHECK(!w.End());
    CHECK(fcntl(other, F_SETFL, O_NONBLOCK) == 0);
    CHECK_EQ(Count(other), 0u);
    close(other);
  }
}

/// What it missed would come when it is unmasked.
void AMaskedOneEndsToo() {
  Vector v;
  const int fd = Eventfd();
  v.Raise();
  v.interrupt->RaiseOnLane();
  CHECK(!v.End());
  v.Set(fd);
  v.interrupt->RaiseMissed(v.counters);
  CHECK_EQ(Count(fd), 0u);
  close(fd);
}

}  // namespace

int main() {
  EachOneIsCounted();
  AFullEventfdIsNotWaitedFor();
  WhatWasMissedComesOnce();
  WhatWasMissedIsNotWaitedFor();
  AMaskedOneIsSilent();
  AfterTheEndNothingIsLeft();
  AMaskedOneEndsToo();
}
