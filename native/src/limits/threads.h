// Where the threads of a measurement run, and how its caller looks at what they count.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "datapath/clock.h"
#include "limits/limits.h"

namespace ptnet::limits {

/// The CPUs that this thread may use, and with it those that it starts; in ascending order.
inline std::vector<int> AllowedCpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

/// Keeps the calling thread on `cpu`. @return false when the kernel refuses.
inline bool StayOn(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

inline void SleepFor(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// While other programs have the CPUs nothing is counted for a while: that is waited out, as long as this.
inline constexpr uint64_t kPatienceNs = 10'000'000'000;

/// What is added to `counter` in about `seconds` after a warm-up; longer while nothing is.
inline Measured CountFor(double seconds, const std::atomic<uint64_t>& counter) {
  SleepFor(seconds * kWarmUpShare);
  const uint64_t first = counter.load(std::memory_order_relaxed), start = NowNs();
  uint64_t last = first, elapsed = 0;
  do {
    SleepFor(seconds);
    last = counter.load(std::memory_order_relaxed);
    elapsed = NowNs() - start;
  } while (last == first && elapsed < kPatienceNs);
  Measured measured;
  measured.count = last - first;
  measured.seconds = static_cast<double>(elapsed) / 1e9;
  if (measured.count == 0) measured.error = "nothing was counted: other programs have the CPUs";
  return measured;
}

}  // namespace ptnet::limits
