// A thread that keeps to short slices: the kernel knows it, and the thread's scheduler and niceness are as they were.
#include "os/short_slice.h"

#include <sched.h>
#include <sys/utsname.h>

#include <cstdio>
#include <thread>

#include "check.h"

using namespace ptnet;

namespace {

os::SchedAttributes Mine() {
  os::SchedAttributes attributes = {};
  CHECK(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0);
  return attributes;
}

/// Fair scheduling by slices that a thread may choose came with Linux 6.12.
bool KernelHasSlices() {
  utsname name;
  CHECK(uname(&name) == 0);
  int major = 0, minor = 0;
  CHECK(sscanf(name.release, "%d.%d", &major, &minor) == 2);
  return major > 6 || (major == 6 && minor >= 12);
}

void OnlyTheSliceChanges(int policy, int nice_by) {
  const uint64_t before_ns = Mine().runtime_ns;
  std::thread([&] {
    const sched_param none = {};
    CHECK(sched_setscheduler(0, policy, &none) == 0);
    CHECK(setpriority(PRIO_PROCESS, 0, nice_by) == 0);
    os::KeepToShortSlices();
    CHECK_EQ(Mine().policy, static_cast<uint32_t>(policy));
    CHECK_EQ(Mine().nice, nice_by);
    CHECK_EQ(Mine().runtime_ns, KernelHasSlices() ? os::kShortSliceNs : before_ns);
  }).join();
  CHECK_EQ(Mine().runtime_ns, before_ns);
}

/// A thread of a real-time scheduler has no slice: it stays what it is.
void RealTimeStaysRealTime() {
  std::thread([] {
    const sched_param first = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) return void(printf("no right to SCHED_FIFO: not tried\n"));
    os::KeepToShortSlices();
    CHECK_EQ(Mine().policy, static_cast<uint32_t>(SCHED_FIFO));
    CHECK_EQ(Mine().priority, 1u);
  }).join();
}

}  // namespace

int main() {
  OnlyTheSliceChanges(SCHED_OTHER, 0);
  OnlyTheSliceChanges(SCHED_OTHER, 7);
  OnlyTheSliceChanges(SCHED_BATCH, 3);
  RealTimeStaysRealTime();
  return 0;
}
