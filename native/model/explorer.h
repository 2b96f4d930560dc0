// Runs a scenario of a few threads in every order and with every value that the memory model lets a load see.
//
// The memory is that of C++ (and so of x86 and ARM) in the operational form with views: each location has a history of
// messages, a relaxed load may see any that is not older than what its thread knows of, release and acquire hand
// knowledge on, and seq_cst fences hand it on through one common view. Left out are loads that see stores of the future
// and stores of two threads to one location that take each other's place: no protocol here depends on them. Threads are
// fibers of one thread. What need not be tried in two orders is tried in one (sleep sets).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ptnet::model {

struct Scenario {
  const char* name;
  /// Sets everything up, spawns the threads and calls Execute().
  void (*run)();
  /// With more executions than can be tried each time: that many are.
  uint64_t most = UINT64_MAX;
};

/// Runs the spawned threads until each has ended or waits. `done` says whether that is as it should be; a lost wake-up
/// leaves somebody waiting for what has long been there.
void Execute(const std::function<bool()>& done);

struct Outcome {
  uint64_t executions = 0;
  bool violated = false;
  bool complete = false;            // every execution was tried
  std::string story;                // of the first violation
  std::vector<std::string> fences;  // that were passed
};

/// Tries all executions with the fence named `without` taken away; empty: none.
Outcome Explore(const Scenario& scenario, const std::string& without);

}  // namespace ptnet::model
