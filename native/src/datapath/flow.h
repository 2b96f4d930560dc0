// A flow: what a worker serves. One tx ring, one rx ring, or the two rings that a pipe joins.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datapath/budget.h"
#include "datapath/held_back.h"
#include "datapath/peer_memory.h"
#include "datapath/spin_time.h"
#include "datapath/watch.h"
#include "memory/layout.h"

namespace ptnet {

class Worker;

/// The rings of one device are used together: none of them is parked while another one is busy, because a guest that
/// goes round its rings would find all of them parked, and be held up by a kick for each, when it comes back.
struct alignas(kCacheLine) DeviceActivity {
  std::atomic<uint64_t> idle_since_ns{0};  // 0 while one of its rings is busy
  PeerMemory* memory = nullptr;            // what its flows touch; null: nobody else's
};

enum class Policy : uint8_t {
  kPoll,      // never parked
  kAdaptive,  // parked after some time without work, spin_ns at most
  kNotify,    // parked as soon as there is nothing to do
  kInline,    // no worker: the control plane calls Poll itself
};

/// In cache lines of its own: the next one in memory may be another worker's.
class alignas(kCacheLine) Flow {
 public:
  Flow() = default;
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  /// Moves what can be moved, as far as `budget` goes: none of its numbers is 0. Work that is left has to be found by
  /// the next Poll, and by Arm().
  virtual Used Poll(const Budget& budget) noexcept = 0;
  /// Enables kicks (kern_need_kick = 1) and looks again after a full barrier. True when there is work after all; then
  /// kicks are disabled again.
  virtual bool Arm() noexcept = 0;
  /// Disables kicks.
  virtual void Disarm() noexcept = 0;
  /// A kick came: a ring that was stopped for a bad index may try again.
  virtual void Unblock() noexcept {}
  /// The tx ring's attachment ends now: a packet that is under way to some of its destinations is forgotten.
  virtual void EndTx() noexcept {}
  /// Nobody serves it for a while, or another process does: what is under way to some of its destinations only gets to
  /// the others, or is dropped there.
  virtual void Settle() noexcept {}
  /// The rx ring's attachment ends now: takes what its guest has given back, so that the next one does not see it
  /// again.
  virtual void EndRx() noexcept {}
  /// Events (of epoll) came for a descriptor that the flow waits for. It has not been read: Poll() comes next, and
  /// reads it.
  virtual void OnReady(Watch&, uint32_t) noexcept {}
  /// For a source that keeps a pace: when (CLOCK_MONOTONIC, ns) to poll again; 0 when it does not matter.
  virtual uint64_t Due() const noexcept { return 0; }
  /// Whether nobody is to touch its memory now.
  bool paused() const noexcept { return device_->memory != nullptr && device_->memory->paused(); }

  /// As Poll(), as far as the flow's limits go.
  Used Serve(const Budget& budget) noexcept { return limits_ == nullptr ? Poll(budget) : limits_->Poll(*this, budget); }
  // While nobody serves the flow.

  /// `limit` holds what it moves back, with the limit that it has already.
  void HoldBack(RateLimit* limit, const RingCounters& counters, const Kring* k) {
    if (limits_ == nullptr) limits_ = std::make_unique<HeldBack>(counters, k);
    limits_->Add(limit);
  }
  /// `limit`, which it has, no longer does.
  void LetGo(RateLimit* limit) {
    if (limits_->Remove(limit)) limits_.reset();
  }
  bool limited() const { return limits_ != nullptr; }

 protected:
  ~Flow() = default;

  /// Before anybody serves the flow: it waits for `fd`, which stays the caller's and open as long as the flow is there.
  Watch* WaitFor(const std::string& name, int fd, uint32_t events) {
    watches_.push_back(std::make_unique<Watch>(Watch{.name = name, .fd = fd, .events = events, .flow = this}));
    return watches_.back().get();
  }

  /// The same for what Poll() reads whenever it is called, and whose owner says himself what has become of it.
  void WaitForPolled(const std::string& name, int fd) {
    Watch* watch = WaitFor(name, fd, EPOLLIN | EPOLLET);
    watch->quiet = watch->polled = true;
  }

 private:
  friend class Worker;
  friend class Engine;

  /// While its limits hold it back: until when.
  uint64_t held_until_ns() const { return limits_ == nullptr ? 0 : limits_->due_ns(); }
  /// When to poll it again, though nothing else happens; 0: then it does not matter.
  uint64_t NextNs() const { return held_until_ns() != 0 ? held_until_ns() : Due(); }

  std::atomic<Worker*> worker_{nullptr};
  std::atomic<bool> kicked_{false};
  Flow* next_kicked_ = nullptr;
  std::unique_ptr<HeldBack> limits_;  // null: none
  // The worker's own.
  Policy policy_ = Policy::kAdaptive;
  bool active_ = false;
  bool woken_ = false;        // by a kick, and not looked at since
  uint32_t moved_slots_ = 0;  // since the worker last looked at its descriptors
  SpinTime spin_;
  uint64_t idle_since_ns_ = 0;  // parked or not; 0 when it is busy
  std::shared_ptr<DeviceActivity> device_;
  // The control plane's.
  uint32_t users_ = 0;                           // attachments that drive this flow
  std::vector<std::unique_ptr<Watch>> watches_;  // its own, and the doorbells of all its attachments
};

}  // namespace ptnet
