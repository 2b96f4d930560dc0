// Fuzzes the readers of CSBs and slots under every kind of port: the input says what guests write, and when and with
// how much of a budget they are served.
#include "hostile.h"

namespace {

using namespace ptnet;
using namespace ptnet::fuzz;

constexpr Budget kBudgets[] = {
    kRoundBudget,
    kKickBudget,
    kSyncBudget,
    {.slots = 1, .bytes = 1, .destinations = 1, .may_wait = true, .may_defer = true},
    {.slots = 4, .bytes = 100, .destinations = 1, .may_wait = false, .may_defer = true},
    {.slots = 7, .bytes = 300, .destinations = 2, .may_wait = true, .may_defer = false},
    {.slots = 20, .bytes = 3000, .destinations = 3, .may_wait = true, .may_defer = true},
    {.slots = 64, .bytes = 1, .destinations = 64, .may_wait = false, .may_defer = false},
};

Burst TakeBurst(Input& input) {
  const uint8_t count = input.Byte(), len = input.Byte(), flags = input.Byte();
  const auto addresses = input.Byte();
  // Mostly short lengths, some around a buffer's size, a few beyond.
  const auto bytes = static_cast<uint16_t>(len < 128 ? len : len < 224 ? 2 * len : len < 250 ? 256 : 300 * len);
  return {count,
          bytes,
          static_cast<uint16_t>(flags & 0x3f),
          static_cast<uint8_t>(addresses & 0x87),
          static_cast<uint8_t>(addresses >> 4 & 7),
          static_cast<uint32_t>(flags >> 6)};
}

/// What else may happen to a ring or a switch.
void Change(Hostile& hostile, uint32_t ring, uint32_t what) {
  switch (what) {
    case 0:
      return hostile.ToggleAttachment(ring);
    case 1:
      return hostile.Visit();
    case 2:
      return hostile.Relink(ring);
    default:
      return hostile.PassSecond();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Servings servings;
  static const bool counted = atexit([] { PrintServings(servings); }) == 0;
  Require(counted);
  static auto* const hostile = new Hostile;
  Input input{data, size};
  hostile->Reset();
  hostile->Configure(input.Byte());
  hostile->SetOffsets(input.Byte());
  while (!input.over()) {
    const uint8_t what = input.Byte(), ring = static_cast<uint8_t>(input.Byte() % hostile->rings());
    const uint32_t more = what >> 3 & 7;
    switch (what & 7) {
      case 0:
        break;
      case 1:
        hostile->Publish(ring, input.Byte());
        break;
      case 2:
        hostile->Send(ring, TakeBurst(input));
        break;
      case 3:
        hostile->WriteIndex(ring, more, static_cast<int8_t>(input.Byte()));
        break;
      case 4:
        hostile->WriteCsb(ring, more & 3, input.Take<uint32_t>());
        break;
      case 5:
        hostile->WriteAnySlot(ring, input.Byte(), input.Take<uint64_t>());
        break;
      case 6:
        // A buffer that is one, a length and flags that may be.
        hostile->WriteAnySlot(ring, input.Byte(),
                              input.Byte() | uint64_t{input.Take<uint16_t>()} << 32 | uint64_t{input.Byte()} << 48);
        break;
      default:
        Change(*hostile, ring, more);
        break;
    }
    // Unless the guest goes on.
    if (!(what & 0x80)) hostile->Serve(ring, kBudgets[more], &servings);
  }
  return 0;
}
