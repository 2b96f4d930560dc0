// The time that an idle flow is polled: follows the gaps, within its limits.
#include "datapath/spin_time.h"

#include "check.h"

using namespace ptnet;

namespace {

constexpr uint64_t kMost = 80'000;

/// A gap between packets; the time for which it is polled.
uint64_t Gap(SpinTime& spin, uint64_t ns) {
  spin.Begin();
  const uint64_t polled = spin.ns();
  spin.Saw(ns);
  return polled;
}

void FollowsTheGaps() {
  SpinTime spin;
  spin.Configure(kMost);
  // Gaps up to the limit are worth all of it.
  for (uint64_t gap : {uint64_t{0}, uint64_t{1}, kMost - 1, kMost}) CHECK_EQ(Gap(spin, gap), kMost);
  // Longer ones are not, whatever the length.
  CHECK_EQ(Gap(spin, kMost + 1), kMost);
  CHECK_EQ(Gap(spin, UINT64_MAX), kMost / 2);
  CHECK_EQ(Gap(spin, UINT64_MAX), kMost / 4);
  CHECK_EQ(Gap(spin, UINT64_MAX), kMost / 8);
  CHECK(!spin.least());
  CHECK_EQ(Gap(spin, UINT64_MAX), kMost / 16);
  CHECK_EQ(Gap(spin, UINT64_MAX), kMost / 16);
  CHECK(spin.least());
  // One that is short enough brings it back, even when the flow was parked in it.
  CHECK_EQ(Gap(spin, kMost), kMost / 16);
  CHECK_EQ(Gap(spin, kMost), kMost);
}

/// A flow that is parked early sees each gap longer, by its kick: from that alone it would never be polled again.
void FindsOutThatGapsAreShort() {
  SpinTime spin;
  spin.Configure(kMost);
  for (int i = 0; i < 100; i++) Gap(spin, 1'000'000);
  constexpr uint64_t kGap = 10'000, kKick = 100'000;
  uint64_t polled = 0;
  int parked = 0;
  for (; polled < kGap && parked < 100; parked++) {
    spin.Begin();
    polled = spin.ns();
    spin.Saw(polled < kGap ? kGap + kKick : kGap);
  }
  CHECK(parked <= 16);
  for (int i = 0; i < 100; i++) CHECK_EQ(Gap(spin, kGap), kMost);
}

/// What that costs when gaps are long indeed.
void TriesSeldom() {
  SpinTime spin;
  spin.Configure(kMost);
  for (int i = 0; i < 100; i++) Gap(spin, 1'000'000);
  uint64_t polled = 0;
  for (int i = 0; i < 1600; i++) polled += Gap(spin, 1'000'000);
  CHECK_EQ(polled, 100 * kMost + 1500 * (kMost / 16));
}

void Limits() {
  SpinTime spin;
  CHECK_EQ(spin.ns(), 0u);
  // Without any time there is none to adapt.
  for (uint64_t gap : {0u, 1u, 1000u}) CHECK_EQ(Gap(spin, gap), 0u);
  // A new limit starts afresh.
  spin.Configure(kMost);
  for (int i = 0; i < 10; i++) Gap(spin, UINT64_MAX);
  spin.Configure(1000);
  CHECK_EQ(spin.ns(), 1000u);
  CHECK_EQ(Gap(spin, 1), 1000u);
}

}  // namespace

int main() {
  FollowsTheGaps();
  FindsOutThatGapsAreShort();
  TriesSeldom();
  Limits();
}
