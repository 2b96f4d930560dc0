// A thread that raises the interrupts of those who take long at it, so that nobody else waits for them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "datapath/peer_eventfd.h"

namespace ptnet {

class Interrupt;

class InterruptLane {
 public:
  /// Null when no thread can be had.
  static std::shared_ptr<InterruptLane> Start();
  /// Does not wait for the thread, which may be held up: it ends when it can.
  ~InterruptLane();
  InterruptLane(const InterruptLane&) = delete;
  InterruptLane& operator=(const InterruptLane&) = delete;

  /// Any thread: raises it soon.
  void Post(std::shared_ptr<Interrupt> interrupt);
  /// Takes what is left in these eventfds, after all that was posted before. False when that takes longer than
  /// `patience`: it is done later then.
  bool Drain(const PeerEventfds& eventfds, std::chrono::milliseconds patience);

 private:
  struct State;
  explicit InterruptLane(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static void Run(State& state);

  std::shared_ptr<State> state_;  // the thread's too
};

/// The lanes of an engine: one for each device that needs one, up to a limit; beyond it they share.
class InterruptLanes {
 public:
  /// Any thread. Null when no thread can be had.
  std::shared_ptr<InterruptLane> Get();
  void CountWithoutAio() { without_aio_.fetch_add(1, std::memory_order_relaxed); }
  /// Interrupts that went to a lane because the kernel gave no asynchronous operation to raise them with.
  uint64_t without_aio() const { return without_aio_.load(std::memory_order_relaxed); }

  static constexpr size_t kLanesMax = 16;

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<InterruptLane>> lanes_;
  size_t given_ = 0;
  std::atomic<uint64_t> without_aio_{0};
};

}  // namespace ptnet
