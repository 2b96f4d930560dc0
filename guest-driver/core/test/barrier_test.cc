// The full barrier as it is compiled: QEMU without KVM makes no barrier of a locked instruction when a machine has one
// CPU, and a guest that had only that lost interrupts.
#include <cstring>

#include "../csb.h"
#include "check.h"

namespace ptnet::guest::test {
namespace {

[[gnu::noinline, gnu::aligned(64)]] void OnlyABarrier() { FullBarrier(); }

TEST(mfence, "the full barrier is MFENCE, not a locked instruction") {
  constexpr uint8_t kMfence[] = {0x0f, 0xae, 0xf0};
  constexpr uint8_t kReturn = 0xc3;
  uint8_t code[64];
  std::memcpy(code, reinterpret_cast<const void*>(&OnlyABarrier), sizeof code);
  size_t at = 0;
  while (at + sizeof kMfence < sizeof code && code[at] != kReturn && std::memcmp(code + at, kMfence, sizeof kMfence))
    ++at;
  CHECK_EQ(std::memcmp(code + at, kMfence, sizeof kMfence), 0);
}

}  // namespace
}  // namespace ptnet::guest::test

int main(int argc, char** argv) { return ptnet::guest::test::RunAll(argc, argv); }
