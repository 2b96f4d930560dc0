// Stalls: what the kernel says about this thread, and what may be read from it.
#include "datapath/stall_timer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "datapath/clock.h"
#include "os/unique_fd.h"

namespace ptnet {
namespace {

/// Time of the kernel that is only taken to bring pages in when they are huge: one of 1 GiB takes 100 ms. The buffers
/// of a poll that are touched for the first time take less,
constexpr uint64_t kPollSystemNs = 20'000'000;
/// and so do those of all the polls between two looks.
constexpr uint64_t kLookSystemNs = 50'000'000;

thread_local os::UniqueFd kept_open;

os::UniqueFd OpenSchedStat() { return os::UniqueFd(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)); }

uint64_t RunnableNs() {
  os::UniqueFd own;
  if (!kept_open) own = OpenSchedStat();
  char text[96];
  const ssize_t length = pread(kept_open ? kept_open.get() : own.get(), text, sizeof text - 1, 0);
  unsigned long long runnable;
  if (length <= 0) return UINT64_MAX;
  text[length] = 0;
  return sscanf(text, "%*u %llu", &runnable) == 1 ? runnable : UINT64_MAX;
}

}  // namespace

uint64_t StalledNs(const StallSample& start, const StallSample& end, uint64_t system_most, uint64_t slept_ns) noexcept {
  if (end.runnable_ns == UINT64_MAX) return 0;
  const uint64_t cpu = end.cpu_ns - start.cpu_ns;
  const uint64_t other = cpu + (end.runnable_ns - start.runnable_ns) + slept_ns;
  const uint64_t all = end.clock_ns - start.clock_ns;
  const uint64_t blocked = end.waits == start.waits ? 0 : all - std::min(all, other);
  const uint64_t system = end.system_ns - start.system_ns;
  return blocked + (system > system_most ? system : 0);
}

StallSample StallSample::Now() noexcept {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  const auto system = static_cast<uint64_t>(usage.ru_stime.tv_sec) * 1'000'000'000 +
                      static_cast<uint64_t>(usage.ru_stime.tv_usec) * 1000;
  return {NowNs(),
          ThreadCpuNs(),
          system,
          RunnableNs(),
          static_cast<uint64_t>(usage.ru_minflt + usage.ru_majflt),
          static_cast<uint64_t>(usage.ru_nvcsw)};
}

void StallSample::KeepOpen() noexcept { kept_open = OpenSchedStat(); }

thread_local uint64_t StallTimer::claimed_here_ns = 0;
thread_local uint32_t StallTimer::running_here = 0;

bool StallTimer::Running() noexcept { return running_here > 0; }

uint64_t StallTimer::Take(Stall kind) noexcept {
  if (NowNs() - start_.clock_ns < kLongNs) return 0;
  const StallSample end = StallSample::Now();
  if (kind == Stall::kPage && end.faults == start_.faults) return 0;
  const uint64_t stalled = StalledNs(start_, end, kPollSystemNs, claimed_here_ns - claimed_ns_);
  if (stalled < kLongNs) return 0;
  claimed_here_ns += stalled;
  return stalled;
}

void StallHint::Slept(uint64_t since_ns) noexcept { slept_ns_ += NowNs() - since_ns; }

bool StallHint::Look() noexcept {
  looked_at_ns_ = NowNs();
  if (looked_at_ns_ - start_.clock_ns - slept_ns_ < StallTimer::kLongNs) return false;
  const StallSample start = std::exchange(start_, StallSample::Now());
  const uint64_t stalled = StalledNs(start, start_, kLookSystemNs, std::exchange(slept_ns_, 0));
  return start.clock_ns != 0 && start_.faults != start.faults && stalled >= StallTimer::kLongNs;
}

}  // namespace ptnet
