// The full barrier as it is compiled: QEMU without KVM makes no barrier of a locked instruction when a machine has one
// CPU, and a guest that had only that lost interrupts.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "../cpu.h"
#include "../csb.h"
#include "check.h"

namespace ptnet::guest::test {
namespace {

[[gnu::noinline, gnu::aligned(64)]] void OnlyABarrier() { FullBarrier(); }

TEST(mfence, "the full barrier of an emulated machine is MFENCE, not a locked instruction") {
  constexpr uint8_t kMfence[] = {0x0f, 0xae, 0xf0};
  uint8_t code[64];
  std::memcpy(code, reinterpret_cast<const void*>(&OnlyABarrier), sizeof code);
  CHECK(std::search(std::begin(code), std::end(code), std::begin(kMfence), std::end(kMfence)) != std::end(code));
}

TEST(unasked, "and of none that has not been asked for it: it takes longer") { CHECK_EQ(locked_is_no_barrier, false); }

}  // namespace
}  // namespace ptnet::guest::test

int main(int argc, char** argv) { return ptnet::guest::test::RunAll(argc, argv); }
