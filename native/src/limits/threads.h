// Where the threads of a measurement run, and how its caller waits for them.
#pragma once

#include <sched.h>

#include <chrono>
#include <thread>
#include <vector>

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

}  // namespace ptnet::limits
