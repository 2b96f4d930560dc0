// How long a thread was kept waiting by whoever owns the memory that it touches: not by other threads that wanted its
// CPU.
#pragma once

#include <cstdint>

namespace ptnet {

/// What the kernel says about the calling thread: some system calls, 2 us.
struct StallSample {
  uint64_t clock_ns;
  uint64_t cpu_ns;
  uint64_t system_ns;    // of cpu_ns, in the kernel; to a few ms
  uint64_t runnable_ns;  // spent waiting for a CPU; UINT64_MAX when it is not told (CONFIG_SCHED_INFO)
  uint64_t faults;       // pages that were brought in
  uint64_t waits;        // how often it left its CPU because it had to wait

  static StallSample Now() noexcept;
  /// For a thread that takes many: keeps open what tells it. Else it is opened each time.
  static void KeepOpen() noexcept;
};

/// What keeps a thread from its work in the kernel: a page that is not there while its file is punched, or a call on a
/// peer's file.
enum class Stall : uint8_t { kPage, kCall };

/// ns between two samples that the thread was blocked, less those that it `slept` of its own will, plus the kernel's
/// time on its CPU when that is more than `system_most`. Time that passed while it never left its CPU is a
/// hypervisor's, which ran others there, and is nobody's fault.
uint64_t StalledNs(const StallSample& start, const StallSample& end, uint64_t system_most, uint64_t slept_ns) noexcept;

/// For a thread that has a reason to look, not for each poll.
class StallTimer {
 public:
  /// Less is no stall.
  static constexpr uint64_t kLongNs = 1'000'000;

  StallTimer() noexcept : start_(StallSample::Now()), claimed_ns_(claimed_here_ns) { running_here++; }
  ~StallTimer() { running_here--; }
  StallTimer(const StallTimer&) = delete;
  StallTimer& operator=(const StallTimer&) = delete;
  /// ns since it was made that this thread was blocked, or that it took to bring a page in; less what timers that were
  /// made and asked meanwhile have told already. 0 when that is little, when no page was brought in (kPage), or when it
  /// cannot be told.
  uint64_t Take(Stall kind = Stall::kPage) noexcept;
  /// Whether this thread finds out now whose memory keeps it waiting.
  static bool Running() noexcept;

 private:
  static thread_local uint64_t claimed_here_ns;
  static thread_local uint32_t running_here;
  const StallSample start_;
  const uint64_t claimed_ns_;
};

/// A look now and then at whether this thread was kept waiting: a reading of the clock, and a sample for each
/// millisecond that it worked.
class StallHint {
 public:
  /// It slept, of its own will, from then until now.
  void Slept(uint64_t since_ns) noexcept;
  /// Whether there was a stall since the last look.
  bool Look() noexcept;
  /// When that was: CLOCK_MONOTONIC, ns.
  uint64_t looked_at_ns() const { return looked_at_ns_; }

 private:
  uint64_t looked_at_ns_ = 0;
  uint64_t slept_ns_ = 0;  // since start_
  StallSample start_{};
};

}  // namespace ptnet
