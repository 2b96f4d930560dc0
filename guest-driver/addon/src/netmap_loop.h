// How a loop kicks and waits over rings that a program of the host has opened behind /dev/netmap: by ioctl and poll.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
#include "core/policy.h"

namespace ptnet::guest {

/// Carries indices between the headers of netmap's rings, which are the kernel's to look at only in an ioctl or a poll,
/// and a CSB of the loop's own: a loop sees a host that wants a kick for each index.
class NetmapRings {
 public:
  /// `fd` is registered with the rings of `config`, which must outlive this.
  NetmapRings(int fd, const LoopConfig& config) : fd_(fd), config_(config) {}

  /// NIOCTXSYNC and NIOCRXSYNC, whichever the loop has rings for. @return false with errno when one was refused.
  bool Sync();
  /// Until a ring that asks for an interrupt has something, `stop_fd` can be read, or `ns` are over (< 0: no limit).
  /// @return whether it was a ring.
  bool Wait(int stop_fd, int64_t ns);

 private:
  void ToHeaders();
  void FromHeaders();

  int fd_;
  const LoopConfig& config_;
};

class NetmapKicker {
 public:
  explicit NetmapKicker(NetmapRings& rings) : rings_(rings) {}

  bool Kick(uint32_t index);
  const std::string& error() const { return error_; }

 private:
  NetmapRings& rings_;
  std::string error_;
};

/// A Waiter whose interrupts are polls that found something.
class NetmapWaiter {
 public:
  static constexpr uint64_t kClockEvery = 64;

  NetmapWaiter(NetmapRings& rings, int stop_fd, uint64_t yield_after)
      : rings_(rings), stop_fd_(stop_fd), spinner_(yield_after) {}

  void Spin(uint64_t fruitless) {
    spinner_.Spin(fruitless);
    rings_.Sync();
  }
  bool CanSleep() const { return true; }
  void Sleep(int64_t ns) { interrupts_ += rings_.Wait(stop_fd_, ns) ? 1 : 0; }
  void Nap(int64_t ns) { NapNs(ns); }
  uint64_t interrupts() const { return interrupts_; }

 private:
  NetmapRings& rings_;
  int stop_fd_;
  Spinner spinner_;
  uint64_t interrupts_ = 0;
};

}  // namespace ptnet::guest
