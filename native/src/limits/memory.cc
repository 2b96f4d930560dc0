// How fast one thread copies memory that is in no cache.
#include <cstring>
#include <memory>

#include "datapath/clock.h"
#include "limits/limits.h"

namespace ptnet::limits {
namespace {

constexpr size_t kArea = size_t{128} << 20;  // several times a last-level cache
constexpr size_t kStep = size_t{1} << 20;    // between two looks at the clock

}  // namespace

Measured MeasureMemory(double seconds) {
  // Written once before the clock starts: pages exist, and the two areas are not the same zero page.
  const std::unique_ptr<uint8_t[]> from(new uint8_t[kArea]), to(new uint8_t[kArea]);
  memset(from.get(), 0x5a, kArea);
  memset(to.get(), 0xa5, kArea);
  const uint64_t start = NowNs();
  const auto wanted_ns = static_cast<uint64_t>(seconds * 1e9);
  Measured measured{};
  uint64_t elapsed = 0;
  for (size_t at = 0; elapsed < wanted_ns; at = (at + kStep) % kArea) {
    memcpy(to.get() + at, from.get() + at, kStep);
    // The copy must not be left out because nobody reads it.
    asm volatile("" : : "r"(to.get() + at) : "memory");
    measured.count += kStep;
    elapsed = NowNs() - start;
  }
  measured.seconds = static_cast<double>(elapsed) / 1e9;
  measured.wrong = measured.count >= kArea ? memcmp(from.get(), to.get(), kArea) != 0 : to[0] != from[0];
  return measured;
}

}  // namespace ptnet::limits
