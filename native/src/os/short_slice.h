// How long a thread keeps its CPU that others wait for at each turn.
#pragma once

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace ptnet::os {

inline constexpr uint64_t kShortSliceNs = 100'000;  // the shortest that there is

/// struct sched_attr as it was first, see sched_setattr(2); glibc has it from 2.41 on.
struct SchedAttributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns, deadline_ns, period_ns;
};
static_assert(sizeof(SchedAttributes) == 48);

/// The calling thread gets the CPU for shorter turns, and sooner: Linux's fair scheduler lets who asks for a shorter
/// slice go first when it wakes up, and takes from who yields the rest of this slice instead of one of milliseconds.
/// Its share of the CPU stays as it is. Kernels before 6.12 have no such slice, and other schedulers than the fair one
/// none at all: nothing changes there.
inline void KeepToShortSlices() {
  constexpr uint64_t kKeepPolicy = 0x08;  // SCHED_FLAG_KEEP_POLICY
  SchedAttributes attributes = {};
  attributes.size = sizeof attributes;
  attributes.flags = kKeepPolicy;
  attributes.nice = getpriority(PRIO_PROCESS, 0);
  attributes.runtime_ns = kShortSliceNs;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace ptnet::os
