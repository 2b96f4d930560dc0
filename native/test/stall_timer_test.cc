// Who is kept waiting for a page is told how long; who waits for a CPU, or sleeps of his own will, is not.
#include "datapath/stall_timer.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "datapath/clock.h"
#include "slow_page.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint32_t kMs = 20;

/// A page of a file, slow as a test likes.
struct Memory {
  int fd = memfd_create("memory", MFD_CLOEXEC);
  volatile uint8_t* page = Map();
  SlowPage slow{const_cast<uint8_t*>(page), fd, 0};

  volatile uint8_t* Map() {
    CHECK(ftruncate(fd, SlowPage::kPage) == 0);
    void* p = mmap(nullptr, SlowPage::kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    static_cast<uint8_t*>(p)[0] = 1;
    return static_cast<uint8_t*>(p);
  }
  ~Memory() { close(fd); }
  void Touch() { page[0] = page[0] + 1; }
};

/// A page that was not there yet.
void FaultOnce() {
  void* p = mmap(nullptr, SlowPage::kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  static_cast<volatile uint8_t*>(p)[0] = 1;
  munmap(p, SlowPage::kPage);
}

void Work(uint64_t ms) {
  for (const uint64_t start = NowNs(); NowNs() - start < ms * 1'000'000;) FaultOnce();
}

/// What a hypervisor takes of a thread that the kernel has made wait looks like a stall, and so does what a sanitizer
/// does in the background: nothing that comes each time.
void CheckUntold(const std::function<void()>& work) {
  uint64_t told = 1;
  for (int i = 0; told > 0 && i < 20; i++) {
    StallTimer timer;
    work();
    told = timer.Take();
  }
  CHECK_EQ(told, 0u);
}

void WhoWaitsForAPageIsTold() {
  Memory memory;
  for (int i = 0; i < 3; i++) {
    memory.slow.TakeAway(kMs);
    StallTimer timer;
    memory.Touch();
    CHECK(timer.Take() >= kMs * 1'000'000 / 2);
    CheckUntold([&] { memory.Touch(); });
  }
}

/// The kernel's own way: whoever touches the hole waits until it is punched.
void APunchedFileIsTold() {
  constexpr size_t kSize = 256 << 20;
  const int fd = memfd_create("punched", MFD_CLOEXEC);
  CHECK(ftruncate(fd, kSize) == 0);
  auto* page = static_cast<volatile uint8_t*>(mmap(nullptr, SlowPage::kPage, PROT_READ, MAP_SHARED, fd, 0));
  const pid_t peer = fork();
  if (peer == 0) {
    for (;;)
      if (fallocate(fd, 0, 0, kSize) != 0 || fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kSize) != 0)
        _exit(1);
  }
  uint64_t stalled = 0;
  for (const uint64_t start = NowNs(); stalled == 0 && NowNs() - start < 60'000'000'000;) {
    StallTimer timer;
    for (int i = 0; i < 1000; i++) (void)page[0];
    stalled = timer.Take();
  }
  CHECK(kill(peer, SIGKILL) == 0 && waitpid(peer, nullptr, 0) == peer);
  CHECK(stalled > 0);
  close(fd);
}

void WhoSleepsOrWorksIsNot() {
  // No page is brought in, but by a sanitizer for itself now and then.
  uint64_t slept = 1;
  for (int i = 0; slept > 0 && i < 20; i++) {
    StallTimer sleeping;
    usleep(5'000);
    slept = sleeping.Take();
    if (slept == 0) CHECK(sleeping.Take(Stall::kCall) > 0);
  }
  CHECK_EQ(slept, 0u);
  CheckUntold([] { Work(8); });
}

/// Five threads on one CPU: each waits for it most of the time.
void WhoWaitsForACpuIsNot() {
  cpu_set_t before, one;
  CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
  std::atomic<bool> stop{false};
  std::vector<std::thread> others;
  for (int i = 0; i < 4; i++)
    others.emplace_back([&] {
      while (!stop) sched_getcpu();
    });
  for (int preempted = 0; preempted < 10;) {
    bool waited = false;
    CheckUntold([&] {
      const uint64_t start = NowNs(), cpu = ThreadCpuNs();
      Work(5);
      waited = NowNs() - start - (ThreadCpuNs() - cpu) > 1'000'000;
    });
    if (waited) preempted++;
  }
  stop = true;
  for (std::thread& other : others) other.join();
  CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
}

/// What has been told once is not told again by who has waited for it too.
void WhatIsToldIsToldOnce() {
  Memory memory;
  StallTimer outer;
  memory.slow.TakeAway(kMs);
  StallTimer inner;
  memory.Touch();
  const uint64_t told = inner.Take();
  CHECK(told > 0);
  CHECK(outer.Take() < told / 2);
}

/// A hypervisor that runs others on this CPU: time passes that is neither the thread's nor spent waiting for the CPU.
void StolenTimeIsNobodysFault() {
  const StallSample start{};
  StallSample end{.clock_ns = 50'000'000,
                  .cpu_ns = 5'000'000,
                  .system_ns = 1'000'000,
                  .runnable_ns = 1'000'000,
                  .faults = 3,
                  .waits = 0};
  CHECK_EQ(StalledNs(start, end, 10'000'000, 0), 0u);
  end.waits = 1;
  CHECK_EQ(StalledNs(start, end, 10'000'000, 0), 44'000'000u);
  CHECK_EQ(StalledNs(start, end, 10'000'000, 4'000'000), 40'000'000u);
}

/// Bytes that a thread copies take its own time; pages that are brought in take the kernel's.
void OnlyTheKernelsTimeIsOfPages() {
  const StallSample start{};
  StallSample end{
      .clock_ns = 50'000'000, .cpu_ns = 49'000'000, .system_ns = 9'000'000, .runnable_ns = 0, .faults = 3, .waits = 0};
  CHECK_EQ(StalledNs(start, end, 10'000'000, 0), 0u);
  end.system_ns = 30'000'000;
  CHECK_EQ(StalledNs(start, end, 10'000'000, 0), 30'000'000u);
}

void AHintSeesAStallAndNoSleep() {
  Memory memory;
  StallHint hint;
  hint.Look();
  auto check_unseen = [&](const std::function<void()>& work) {
    bool seen = true;
    for (int i = 0; seen && i < 20; i++) work(), seen = hint.Look();
    CHECK(!seen);
  };
  check_unseen([] { Work(2); });
  memory.slow.TakeAway(kMs);
  memory.Touch();
  CHECK(hint.Look());
  CHECK(!hint.Look());
  check_unseen([&] {
    const uint64_t since = hint.looked_at_ns();
    usleep(1000 * kMs);
    hint.Slept(since);
    Work(2);
  });
}

}  // namespace

int main() {
  StolenTimeIsNobodysFault();
  OnlyTheKernelsTimeIsOfPages();
  WhoWaitsForAPageIsTold();
  StallSample::KeepOpen();
  WhoWaitsForAPageIsTold();
  APunchedFileIsTold();
  WhoSleepsOrWorksIsNot();
  WhoWaitsForACpuIsNot();
  WhatIsToldIsToldOnce();
  AHintSeesAStallAndNoSleep();
}
