// Interrupts that a peer's eventfd would hold up: never waited for when it is full, and freed when it is filled late.
#include "datapath/notify.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "check.h"
#include "datapath/engine.h"
#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint64_t kFull = UINT64_MAX - 1;

int BlockingEventfd(uint64_t count) {
  int fd = eventfd(0, EFD_CLOEXEC);
  CHECK(fd >= 0);
  if (count > 0) CHECK(write(fd, &count, sizeof count) == sizeof count);
  return fd;
}

uint64_t Drain(int fd) {
  uint64_t count = 0;
  CHECK(read(fd, &count, sizeof count) == sizeof count);
  return count;
}

void AFullEventfdIsNotWaitedFor() {
  int fd = BlockingEventfd(kFull);
  CHECK(!Interrupt::Signal(fd));
  CHECK_EQ(Drain(fd), kFull);
  CHECK(Interrupt::Signal(fd));
  CHECK_EQ(Drain(fd), 1u);
  close(fd);
}

/// The race that poll() leaves: the system call waits already when somebody looks.
void AWorkerThatWaitsIsFreed() {
  auto engine = MakeEngine(2);
  int fd = BlockingEventfd(kFull);
  bool raised = true;
  // The call itself finds out that it takes long, and nudges.
  engine->worker(1).Call([&] { raised = Interrupt::Write(fd); });
  CHECK(!raised);
  CHECK_EQ(Drain(fd), kFull);
  close(fd);
}

void ANudgeFromOutsideFreesIt() {
  auto engine = MakeEngine();
  int fd = BlockingEventfd(kFull);
  std::atomic<bool> over{false};
  bool raised = true;
  std::thread caller([&] {
    engine->worker(0).Call([&] { raised = Interrupt::Write(fd); });
    over = true;
  });
  while (!over) engine->Nudge(), usleep(500);
  caller.join();
  CHECK(!raised);
  close(fd);
}

void NudgesDoNotDisturbAWorkerThatWorks() {
  auto engine = MakeEngine();
  int fd = BlockingEventfd(0);
  constexpr uint64_t kCount = 20000;
  std::atomic<bool> over{false};
  std::thread nudger([&] {
    while (!over) engine->Nudge(), usleep(500);
  });
  uint64_t raised = 0;
  engine->worker(0).Call([&] {
    for (uint64_t i = 0; i < kCount; i++) raised += Interrupt::Signal(fd);
  });
  over = true;
  nudger.join();
  CHECK_EQ(raised, kCount);
  CHECK_EQ(Drain(fd), kCount);
  close(fd);
}

void WhatWasMissedComesOnce() {
  Interrupt interrupt;
  RingCounters counters;
  interrupt.Raise(counters);
  interrupt.Raise(counters);
  interrupt.RaiseMissed();  // there is still no eventfd
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  interrupt.set_fd(fd);
  interrupt.RaiseMissed();
  interrupt.RaiseMissed();
  CHECK_EQ(Drain(fd), 1u);
  CHECK_EQ(counters.interrupts, 0u);
  interrupt.Raise(counters);
  CHECK_EQ(counters.interrupts, 1u);
  close(fd);
}

}  // namespace

int main() {
  AFullEventfdIsNotWaitedFor();
  AWorkerThatWaitsIsFreed();
  ANudgeFromOutsideFreesIt();
  NudgesDoNotDisturbAWorkerThatWorks();
  WhatWasMissedComesOnce();
}
