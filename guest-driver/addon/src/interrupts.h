// Waiting in a native loop: spinning, and sleeping on the eventfds that stand for the device's interrupts.
#pragma once

#include <poll.h>

#include <cstdint>
#include <vector>

#include "core/policy.h"

namespace ptnet::guest {

/// A Waiter whose interrupts are eventfds; another eventfd, written by the owner, ends a sleep at once.
class EventfdWaiter {
 public:
  static constexpr uint64_t kClockEvery = 64;

  /// Descriptors of -1 in `interrupts` are left out; none at all: Sleep() is not to be used.
  /// A sleep ends as well when one of `others` can be read, which it is not here.
  EventfdWaiter(int stop_fd, const std::vector<int>& interrupts, const std::vector<int>& others, uint64_t yield_after);

  void Spin(uint64_t fruitless) { spinner_.Spin(fruitless); }
  bool CanSleep() const { return fds_.size() > 1; }
  void Sleep(int64_t ns);
  void Nap(int64_t ns) { NapNs(ns); }
  /// Whether the i-th of the others ends a sleep.
  void Watch(size_t i, bool watched) { fds_[first_other_ + i].events = watched ? POLLIN : 0; }
  /// Interrupts raised so far, those included that found the loop awake.
  uint64_t interrupts();

 private:
  void DrainAll();

  Spinner spinner_;
  std::vector<pollfd> fds_;  // stop_fd first, then interrupts
  size_t first_other_;
  uint64_t interrupts_ = 0;
};

}  // namespace ptnet::guest
