// How long one cache line takes from one CPU to another and back: tells siblings of one core from two cores.
#include <atomic>
#include <thread>

#include "datapath/clock.h"
#include "limits/limits.h"
#include "limits/threads.h"
#include "memory/layout.h"

namespace ptnet::limits {
namespace {

constexpr uint64_t kEnd = UINT64_MAX;
constexpr uint32_t kTripsBetweenLooks = 256;  // at the clock

/// Counts up: odd values are the leader's, even ones the follower's answers.
struct alignas(kCacheLine) Line {
  std::atomic<uint64_t> value{0};
};

/// Without a pause instruction, which lasts longer on some CPUs than what is measured.
uint64_t WaitFor(const Line& line, uint64_t wanted) {
  uint64_t value;
  // Acquire: the other one's store; pairs with the release stores in Follow() and RoundTrips().
  while ((value = line.value.load(std::memory_order_acquire)) < wanted) {
  }
  return value;
}

void Follow(Line& line) {
  for (uint64_t odd = 1; WaitFor(line, odd) != kEnd; odd += 2) line.value.store(odd + 1, std::memory_order_release);
}

/// For about `seconds`. @return how many, and the exact time.
Measured RoundTrips(Line& line, double seconds) {
  Measured measured;
  const uint64_t start = NowNs();
  const auto wanted_ns = static_cast<uint64_t>(seconds * 1e9);
  uint64_t even = line.value.load(std::memory_order_relaxed), elapsed = 0;
  do {
    for (uint32_t i = 0; i < kTripsBetweenLooks; ++i, even += 2) {
      line.value.store(even + 1, std::memory_order_release);
      WaitFor(line, even + 2);
    }
    measured.count += kTripsBetweenLooks;
    elapsed = NowNs() - start;
  } while (elapsed < wanted_ns);
  measured.seconds = static_cast<double>(elapsed) / 1e9;
  return measured;
}

Measured Lead(Line& line, double seconds) {
  RoundTrips(line, seconds * kWarmUpShare);
  Measured measured = RoundTrips(line, seconds);
  line.value.store(kEnd, std::memory_order_release);
  return measured;
}

}  // namespace

Measured MeasureCoreToCore(double seconds) {
  Measured measured;
  const std::vector<int> cpus = AllowedCpus();
  if (cpus.size() < 2) {
    measured.error = "this process may use one CPU: two are needed";
    return measured;
  }
  Line line;
  bool leader_stays = false, follower_stays = false;
  std::thread follower([&] {
    follower_stays = StayOn(cpus[1]);
    Follow(line);
  });
  std::thread leader([&] {
    leader_stays = StayOn(cpus[0]);
    measured = Lead(line, seconds);
  });
  leader.join();
  follower.join();
  if (!leader_stays || !follower_stays) measured.error = "its threads do not stay on the first two CPUs";
  return measured;
}

}  // namespace ptnet::limits
