// What it takes to change a CPU from one thread to another: guests that share a CPU pay it whenever they wait for each
// other.
#include <sched.h>

#include <atomic>
#include <thread>

#include "limits/limits.h"
#include "limits/threads.h"

namespace ptnet::limits {
namespace {

/// One CPU runs one of the two threads at a time, so nothing here is ever contended.
struct Shared {
  std::atomic<int> last{-1};  // who had the CPU
  std::atomic<uint64_t> changes{0};
  std::atomic<bool> stop{false};
};

/// Counts when the other one had the CPU meanwhile: a yield that comes back at once has changed nothing.
void TakeTurns(Shared& shared, int self) {
  while (!shared.stop.load(std::memory_order_relaxed)) {
    if (shared.last.exchange(self, std::memory_order_relaxed) != self)
      shared.changes.fetch_add(1, std::memory_order_relaxed);
    sched_yield();
  }
}

}  // namespace

Measured MeasureSwitch(double seconds) {
  const std::vector<int> cpus = AllowedCpus();
  // The second one when there is one: the benchmark's guests share it.
  const int cpu = cpus.empty() ? 0 : cpus[cpus.size() > 1 ? 1 : 0];
  Shared shared;
  bool stays[2] = {false, false};
  const auto run = [&](int self) {
    stays[self] = StayOn(cpu);
    TakeTurns(shared, self);
  };
  std::thread first(run, 0), second(run, 1);
  Measured measured = CountFor(seconds, shared.changes);
  shared.stop.store(true, std::memory_order_relaxed);
  first.join();
  second.join();
  if (!stays[0] || !stays[1]) measured.error = "its threads do not stay on one CPU";
  return measured;
}

}  // namespace ptnet::limits
