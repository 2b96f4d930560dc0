// A worker: one native thread that polls the flows that are busy and sleeps when none is.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "datapath/flow.h"
#include "datapath/watch.h"
#include "datapath/yielder.h"
#include "memory/status.h"

namespace ptnet {

/// Numbers of CPUs as the kernel counts them, below kCpusMax.
using CpuList = std::vector<uint32_t>;
constexpr uint32_t kCpusMax = 4096;

/// What a worker counts about itself.
struct WorkerCounters {
  std::atomic<uint64_t> rounds{0};          // passes over the busy flows
  std::atomic<uint64_t> busy_rounds{0};     // of these, those that moved something
  std::atomic<uint64_t> parks{0};           // flows that went idle
  std::atomic<uint64_t> wakeups{0};         // flows that a kick brought back
  std::atomic<uint64_t> idle_wakeups{0};    // of these, flows that had nothing to do
  std::atomic<uint64_t> sleeps{0};          // times the thread waited in epoll
  std::atomic<uint64_t> served_in_kick{0};  // times that the thread that rang served in its place
  std::atomic<uint64_t> watch_errors{0};    // descriptors that are not waited for any more
};

class Worker {
 public:
  Worker() = default;
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Starts the thread, on any of `cpus`; none leaves it to the scheduler.
  Status Start(uint32_t index, const CpuList& cpus, WatchErrors* errors);

  /// Any thread: the flow has something to do. False when that was known; otherwise Wake() or ServeHere() must follow.
  bool Mark(Flow* flow) noexcept;
  /// Any thread: looks at what was marked soon, from its sleep if need be.
  void Wake() noexcept;
  /// Any thread that may do the worker's work for a moment: if the worker sleeps, and little was marked, serves it,
  /// without ever waiting. What is left after that is the worker's. False when nothing was done and the worker is still
  /// to be woken.
  bool ServeHere() noexcept;
  /// The control plane: runs `fn` on the worker's thread, between two rounds, and waits until it is done.
  void Call(const std::function<void()>& fn);

  // Called through Call().
  void Add(Flow* flow, Policy policy, uint64_t spin_ns);
  void Remove(Flow* flow);
  void Configure(Flow* flow, Policy policy, uint64_t spin_ns);
  WatchSet& watches() { return watches_; }

  const WorkerCounters& counters() const { return counters_; }
  /// What its thread has had of a CPU.
  uint64_t CpuNs() const noexcept;

 private:
  /// Who may touch the worker's flows and lists.
  enum class Owner : uint32_t {
    kThread,  // its own, which is awake or has been woken
    kNobody,  // the thread sleeps
    kKicker,  // a thread that has kicked, in ServeHere()
  };

  void Run();
  void LookForStalls();
  template <class Fn>
  void Touch(Flow* flow, Fn fn);
  Used Poll(Flow* flow, const Budget& budget);
  bool RunCalls();
  void TakeKicked();
  bool PollActive(Budget* budget);
  uint64_t Now();
  void EndIdle(Flow* flow, uint32_t slots);
  bool MayPark(Flow* flow);
  void OnKick(Flow* flow);
  void Activate(Flow* flow);
  void Deactivate(size_t i);
  void ActivateDue();
  uint64_t NextDue() const;
  bool served_in_kick() const { return owner_.load(std::memory_order_relaxed) == Owner::kKicker; }
  bool MustWork() const noexcept;
  void Own() noexcept;
  void Disown() noexcept;
  void ReturnToThread() noexcept;
  void ServeRounds(Budget* budget) noexcept;
  void RestAnswering() noexcept;
  void Sleep();
  void PollEvents();
  void RestWatches();
  void OnEvents(const epoll_event* events, int count);

  std::thread thread_;
  WatchSet watches_;
  int wake_fd_ = -1;

  // Other threads write these.
  alignas(64) std::atomic<Flow*> kicked_{nullptr};
  std::atomic<bool> calls_pending_{false};
  std::atomic<Owner> owner_{Owner::kThread};
  std::atomic<bool> stop_{false};
  std::mutex calls_mutex_;
  struct PendingCall;
  std::vector<PendingCall*> calls_;

  // The owner's.
  alignas(64) std::vector<Flow*> active_;
  std::vector<Flow*> paced_;   // parked, and wait for their time: that of a source's next packet, or the end of a hold
  std::vector<Flow*> polled_;  // each poll of these looks at their descriptors, which need not be watched meanwhile
  uint64_t now_ns_ = 0;        // 0: not read in this round
  StallHint stalls_;
  uint64_t measured_until_ns_ =
      0;  // until then it is found out whose memory keeps it waiting; 0: there is no reason to
  Yielder yielder_;
  WorkerCounters counters_;
};

}  // namespace ptnet
