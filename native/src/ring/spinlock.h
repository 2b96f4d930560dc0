// A lock held for one batch on one ring, by workers that hardly ever meet there.
#pragma once

#include <sched.h>

#include <atomic>

namespace ptnet {

inline void CpuRelax() { __builtin_ia32_pause(); }

class SpinLock {
 public:
  void Lock() {
    for (unsigned spins = 0; flag_.exchange(true, std::memory_order_acquire); spins++) {
      // The holder may have lost its core: let it run.
      while (flag_.load(std::memory_order_relaxed)) spins++ < 64 ? CpuRelax() : void(sched_yield());
    }
  }
  bool TryLock() { return !flag_.exchange(true, std::memory_order_acquire); }
  void Unlock() { flag_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> flag_{false};
};

class SpinGuard {
 public:
  explicit SpinGuard(SpinLock& lock) : lock_(lock) { lock_.Lock(); }
  ~SpinGuard() { lock_.Unlock(); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  SpinLock& lock_;
};

}  // namespace ptnet
