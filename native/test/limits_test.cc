// The machine's limits: each measures something, where it says that it does, and leaves its caller as it was.
#include "limits/limits.h"

#include <sched.h>
#include <sys/resource.h>

#include "check.h"
#include "limits/threads.h"

using namespace ptnet;
using namespace ptnet::limits;

constexpr double kSeconds = 0.05;

/// Of all threads, those that have ended too.
static uint64_t ContextSwitches() {
  rusage usage;
  CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
  return static_cast<uint64_t>(usage.ru_nvcsw + usage.ru_nivcsw);
}

static void SlotsArriveAsTheyWereSent() {
  for (const Limit limit : {Limit::kSlots, Limit::kSlotsWithCopy}) {
    const Measured measured = Measure(limit, kSeconds);
    CHECK_EQ(measured.error.size(), 0u);
    CHECK_EQ(measured.wrong, 0u);
    CHECK(measured.count > 0);
    CHECK(measured.seconds >= kSeconds);
  }
}

static void ALineGoesToAnotherCpuAndBack() {
  const Measured measured = Measure(Limit::kCoreToCore, kSeconds);
  CHECK_EQ(measured.error.size(), 0u);
  CHECK(measured.count > 0);
  CHECK(measured.seconds >= kSeconds);
}

static void OneCpuIsNotEnoughForTwo() {
  const Measured measured = Measure(Limit::kCoreToCore, kSeconds);
  CHECK(measured.error.find("two are needed") != std::string::npos);
  CHECK_EQ(measured.count, 0u);
}

/// What is counted are changes of the CPU, not calls: the kernel has counted each of them too.
static void ChangesOfTheCpuAreReal() {
  const uint64_t before = ContextSwitches();
  const Measured measured = Measure(Limit::kSwitch, kSeconds);
  CHECK_EQ(measured.error.size(), 0u);
  CHECK(measured.count > 0);
  CHECK(measured.seconds >= kSeconds);
  CHECK(measured.count <= ContextSwitches() - before);
}

int main() {
  const std::vector<int> cpus = AllowedCpus();
  SlotsArriveAsTheyWereSent();
  ChangesOfTheCpuAreReal();
  if (cpus.size() > 1) ALineGoesToAnotherCpuAndBack();
  CHECK(AllowedCpus() == cpus);

  CHECK(StayOn(cpus.back()));
  CHECK(AllowedCpus() == std::vector<int>{cpus.back()});
  OneCpuIsNotEnoughForTwo();
  ChangesOfTheCpuAreReal();
  return 0;
}
