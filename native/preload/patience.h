// How long one waits for others that have something to do in a moment, unless they were killed.
#pragma once

#include <sched.h>
#include <time.h>

namespace ptnet::preload {

/// Of those who sleep on one open file and have been told, and of those who hold a ring's lock.
class Patience {
 public:
  /// False: they have had their time, about a tenth of a second. Who sleeps and was only slow is told again by the
  /// host, which looks after those that have not seen what came.
  bool Wait() {
    if (++times_ > kYields + kNaps) return false;
    const timespec nap = {0, 1'000'000};
    if (times_ <= kYields)
      sched_yield();
    else
      nanosleep(&nap, nullptr);
    return true;
  }
  void Renew() { times_ = 0; }

 private:
  static constexpr int kYields = 50, kNaps = 100;  // of a millisecond

  int times_ = 0;
};

}  // namespace ptnet::preload
