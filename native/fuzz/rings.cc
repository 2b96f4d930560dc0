// Fuzzes the readers of CSBs and slots under every kind of port: the input says what guests write, and when they are
// served.
#include "hostile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const hostile = new ptnet::fuzz::Hostile;
  for (; size >= 11; data += 11, size -= 11) {
    const uint32_t ring = data[1] % hostile->rings();
    uint64_t value;
    memcpy(&value, data + 3, sizeof value);
    switch (data[0] % 4) {
      case 0:
        hostile->Write(ring, data[2], value);
        break;
      case 1:
        hostile->WriteGood(ring, data[2], value);
        break;
      case 2:
        hostile->Publish(ring, data[2]);
        break;
      default:
        hostile->Serve(ring);
        break;
    }
  }
  return 0;
}
