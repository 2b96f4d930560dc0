// How long one waits for others that have something to do in a moment, unless they were killed.
#pragma once

#include <sched.h>
#include <time.h>

namespace ptnet::preload {

/// Of those who sleep on one open file and have been told, and of those who hold a ring's lock: about a tenth of a
/// second. Who sleeps and was only slow is told again by the host, which looks after those that have not seen what
/// came.
class Patience {
 public:
  static constexpr int kTimes = 150;

  /// For the n-th time.
  static void Pause(int times) {
    const timespec nap = {0, 1'000'000};
    if (times <= kYields)
      sched_yield();
    else
      nanosleep(&nap, nullptr);
  }

 private:
  static constexpr int kYields = 50;
};

}  // namespace ptnet::preload
