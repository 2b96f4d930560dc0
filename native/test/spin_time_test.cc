// The time that an idle flow is polled: follows the gaps, within its limits.
#include "datapath/spin_time.h"

#include "check.h"

using namespace ptnet;

int main() {
  SpinTime spin;
  CHECK_EQ(spin.ns(), 0u);
  spin.Configure(50'000);
  CHECK_EQ(spin.ns(), 50'000u);
  // Gaps up to the limit are worth all of it.
  for (uint64_t gap : {0u, 1u, 49'999u, 50'000u}) {
    spin.Saw(gap);
    CHECK_EQ(spin.ns(), 50'000u);
  }
  // Longer ones are not, whatever the length.
  spin.Saw(50'001);
  CHECK_EQ(spin.ns(), 25'000u);
  spin.Saw(UINT64_MAX);
  CHECK_EQ(spin.ns(), 12'500u);
  CHECK(!spin.least());
  for (int i = 0; i < 100; i++) spin.Saw(1'000'000);
  CHECK_EQ(spin.ns(), 6250u);
  CHECK(spin.least());
  // A short gap counts even when the flow was parked in it; one long one among many short ones changes little.
  spin.Saw(20'000);
  CHECK_EQ(spin.ns(), 12'500u);
  for (int i = 0; i < 100; i++) spin.Saw(20'000);
  CHECK_EQ(spin.ns(), 50'000u);
  spin.Saw(60'000);
  spin.Saw(20'000);
  CHECK_EQ(spin.ns(), 50'000u);
  // A new limit starts afresh.
  spin.Saw(60'000);
  spin.Configure(1000);
  CHECK_EQ(spin.ns(), 1000u);
  // Without any time there is none to adapt.
  spin.Configure(0);
  for (uint64_t gap : {0u, 1u, 1000u}) {
    spin.Saw(gap);
    CHECK_EQ(spin.ns(), 0u);
  }
}
