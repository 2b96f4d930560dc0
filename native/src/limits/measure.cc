// Which limit is measured how.
#include "limits/limits.h"

namespace ptnet::limits {

Measured Measure(Limit limit, double seconds) {
  switch (limit) {
    case Limit::kSlots:
      return MeasureRing(false, seconds);
    case Limit::kSlotsWithCopy:
      return MeasureRing(true, seconds);
    case Limit::kMemory:
      return MeasureMemory(seconds);
    case Limit::kCoreToCore:
      return MeasureCoreToCore(seconds);
    case Limit::kSwitch:
      break;
  }
  return MeasureSwitch(seconds);
}

}  // namespace ptnet::limits
