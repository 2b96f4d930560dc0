// The time that an idle flow is polled: follows the gaps, within its limits, whatever kicks take.
#include "datapath/spin_time.h"

#include "check.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint64_t kMost = 80'000;
constexpr uint64_t kFew = 1, kMany = 512;  // slots that move between two gaps
constexpr uint64_t kOften = 1600;          // gaps

/// A flow, what its guest pays and what it costs its host.
struct Served {
  SpinTime spin;
  uint64_t kicks = 0;
  uint64_t in_vain_ns = 0;  // polled before it was parked
  uint64_t polled_ns = 0;   // of the last gap: how long it would have been polled

  explicit Served(uint64_t most = kMost) { spin.Configure(most); }

  /// A gap after `slots`, longer by `kick_ns` when the flow is parked before it ends.
  void Gap(uint64_t ns, uint64_t slots = kFew, uint64_t kick_ns = 0) {
    spin.Moved(slots);
    spin.Begin();
    polled_ns = spin.ns();
    const bool parked = polled_ns < ns;
    if (parked) {
      kicks++;
      in_vain_ns += polled_ns;
    }
    spin.Saw(parked && kick_ns != 0 ? ns + kick_ns : ns);
  }
  void Gaps(uint64_t count, uint64_t ns, uint64_t slots = kFew, uint64_t kick_ns = 0) {
    kicks = in_vain_ns = 0;
    for (uint64_t i = 0; i < count; i++) Gap(ns, slots, kick_ns);
  }
};

void FollowsTheGaps() {
  Served flow;
  // Gaps up to the limit are worth all of it.
  for (uint64_t gap : {uint64_t{0}, uint64_t{1}, kMost - 1, kMost}) {
    flow.Gap(gap);
    CHECK_EQ(flow.polled_ns, kMost);
  }
  CHECK_EQ(flow.kicks, 0u);
  // Longer ones are not, whatever the length.
  flow.Gaps(100, UINT64_MAX);
  CHECK(flow.spin.least());
  CHECK(flow.in_vain_ns < 20 * kMost);
  // One that is short enough brings it back, even when the flow was parked in it.
  flow.Gap(kMost);
  flow.Gap(kMost);
  CHECK_EQ(flow.polled_ns, kMost);
  CHECK(!flow.spin.least());
}

/// A single long gap among short ones is nothing to learn from.
void KeepsItsMind() {
  Served flow;
  flow.Gaps(kOften, 1000);
  for (int i = 0; i < 100; i++) {
    flow.Gap(50 * kMost);
    for (int n = 0; n < 4; n++) {
      flow.Gap(1000);
      CHECK_EQ(flow.polled_ns, kMost);
    }
  }
  // Half of them long is another matter.
  for (int i = 0; i < 100; i++) flow.Gap(i % 2 == 0 ? 50 * kMost : 1000);
  flow.Gap(50 * kMost);
  flow.Gap(50 * kMost);
  CHECK(flow.polled_ns < kMost);
}

/// A flow that is parked early sees each gap longer, by its kick: from that alone it would never be polled again.
void AKickIsNoGap(uint64_t kick_ns) {
  for (const uint64_t slots : {kFew, kMany}) {
    Served flow;
    flow.Gaps(kOften, 1'000'000, slots);
    CHECK(flow.spin.least());
    constexpr uint64_t kGap = 25'000;
    flow.Gaps(kOften, kGap, slots, kick_ns);
    CHECK(flow.kicks <= 65);
    flow.Gaps(kOften, kGap, slots, kick_ns);
    CHECK_EQ(flow.kicks, 0u);
    // Nor do a few long gaps make a habit of kicks, though each is followed by one that a kick may have lengthened.
    uint64_t extra = 0;
    for (int i = 0; i < 100; i++) {
      flow.Gaps(2, 2'000'000, slots, kick_ns);
      flow.Gaps(10, kGap, slots, kick_ns);
      extra += flow.kicks;
    }
    CHECK_EQ(extra, 0u);
  }
}

/// An unmodified guest that fills its ring, waits for room asleep, and is back after more than the limit: it moves
/// enough for a longer one.
void BulkIsWaitedForLonger() {
  for (const uint64_t gap : {30'000, 150'000, 300'000}) {
    Served flow;
    flow.Gaps(16, gap, kMany, 70'000);
    flow.Gaps(kOften, gap, kMany, 70'000);
    CHECK_EQ(flow.kicks, 0u);
    flow.Gaps(kOften, gap, kFew, 70'000);
    CHECK(gap > kMost ? flow.kicks > kOften / 2 : flow.kicks == 0);
  }
  // Longer than that is long.
  Served flow;
  flow.Gaps(kOften, 400'000, kMany);
  CHECK(flow.kicks > kOften / 2);
}

/// What it costs to try when gaps are long indeed: a guest that sends now and then pays for little more than the least.
void TriesSeldom() {
  for (const uint64_t slots : {kFew, kMany}) {
    Served flow;
    flow.Gaps(kOften, 1'000'000, slots);
    flow.Gaps(kOften, 1'000'000, slots);
    CHECK(flow.in_vain_ns <= kOften * (kMost / 16 + (slots == kMany ? kMost / 16 : kMost / 32)));
    CHECK(flow.in_vain_ns >= kOften * (kMost / 16));
  }
}

/// Among long gaps a short one now and then brings no more than a few long polls.
void AShortGapNowAndThenIsCheap() {
  Served flow;
  flow.Gaps(kOften, 250'000);
  flow.in_vain_ns = 0;
  for (int i = 0; i < 100; i++) {
    flow.Gap(1000);
    for (int n = 0; n < 19; n++) flow.Gap(250'000, kFew, 70'000);
  }
  CHECK(flow.in_vain_ns <= 100 * (4 * kMost + 19 * kMost / 16));
}

/// Whatever comes, no time is beyond the limits, and what is polled in vain is paid for by short gaps, or tried seldom.
void AnyGaps() {
  Random random("spin_time_test");
  Served flow;
  uint64_t short_gaps = 0;
  flow.Gaps(1, 0);
  for (uint64_t i = 0; i < 100'000; i++) {
    const uint64_t slots = random.Below(8) == 0 ? kMany : kFew;
    const uint64_t gap = random.Below(2) == 0 ? random.Below(2 * kMost) : random.Below(40 * kMost);
    flow.Gap(gap, slots, random.Below(100'000));
    CHECK(flow.polled_ns >= kMost / 16 && flow.polled_ns <= 4 * kMost);
    if (gap <= 4 * kMost) short_gaps++;
  }
  CHECK(flow.in_vain_ns <= (4 * short_gaps + 100'000 / 4) * kMost);
}

void Limits() {
  SpinTime unset;
  CHECK_EQ(unset.ns(), 0u);
  // Without any time there is none to adapt.
  Served none(0);
  for (uint64_t gap : {0u, 1u, 1000u}) {
    none.Gap(gap, kMany);
    CHECK_EQ(none.polled_ns, 0u);
  }
  // A new limit starts afresh.
  Served flow;
  flow.Gaps(10, UINT64_MAX, kMany);
  flow.spin.Configure(1000);
  CHECK_EQ(flow.spin.ns(), 1000u);
  flow.Gap(1);
  CHECK_EQ(flow.polled_ns, 1000u);
}

}  // namespace

int main() {
  FollowsTheGaps();
  KeepsItsMind();
  AKickIsNoGap(70'000);
  AKickIsNoGap(1'000'000);
  AKickIsNoGap(5'000'000);
  BulkIsWaitedForLonger();
  TriesSeldom();
  AShortGapNowAndThenIsCheap();
  AnyGaps();
  Limits();
}
