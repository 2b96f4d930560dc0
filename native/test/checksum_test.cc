// The Internet checksum: against a sum of one word after the other, for every length, alignment and way of cutting.
#include "packet/checksum.h"

#include <memory>

#include "check.h"
#include "vnet_frames.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

uint16_t Naive(const Bytes& bytes) { return __builtin_bswap16(static_cast<uint16_t>(NaiveSum(bytes, 0))); }

void EveryLengthAndAlignment(Random& random) {
  for (uint32_t n = 0; n < 200; n++) {
    for (uint32_t shift = 0; shift < 16; shift += 1 + random.Below(3)) {
      const Bytes bytes = RandomBytes(random, n);
      // Of exactly that size, so that a byte too many is seen.
      const auto from = std::make_unique<uint8_t[]>(shift + n), to = std::make_unique<uint8_t[]>(shift + n);
      std::copy(bytes.begin(), bytes.end(), from.get() + shift);
      CHECK_EQ(FoldSum(SumBytes(from.get() + shift, n)), Naive(bytes));
      CHECK_EQ(FoldSum(CopyAndSum(to.get() + shift, from.get() + shift, n)), Naive(bytes));
      CHECK(std::equal(bytes.begin(), bytes.end(), to.get() + shift));
    }
  }
}

void PiecesOfAnyLength(Random& random) {
  for (int run = 0; run < 2000; run++) {
    const Bytes bytes = RandomBytes(random, random.Below(300));
    InternetSum sum;
    for (uint32_t at = 0; at < bytes.size();) {
      const uint32_t n = std::min(random.Below(40), static_cast<uint32_t>(bytes.size()) - at);
      sum.Add(SumBytes(bytes.data() + at, n), n);
      at += n;
    }
    CHECK_EQ(sum.Folded(), Naive(bytes));
  }
}

void NoCarryIsLost() {
  CHECK_EQ(FoldSum(0), 0u);
  CHECK_EQ(FoldSum(UINT64_MAX), 0xffffu);
  CHECK_EQ(FoldSum(0xffff'0000'0001), 1u);
  CHECK_EQ(FoldSum(0x1'ffff'ffff), 1u);
  const Bytes ones(256 << 10, 0xff);
  CHECK_EQ(FoldSum(SumBytes(ones.data(), static_cast<uint32_t>(ones.size()))), 0xffffu);
  InternetSum sum(UINT64_MAX);
  for (int i = 0; i < 100; i++) sum.Add(SumBytes(ones.data(), 65535), 65535);
  CHECK_EQ(sum.Folded(), 0xffffu);
}

}  // namespace

int main() {
  Random random("checksum_test");
  EveryLengthAndAlignment(random);
  PiecesOfAnyLength(random);
  NoCarryIsLost();
}
