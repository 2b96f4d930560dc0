// The machine's own limits: what no data path through shared memory on this machine can beat.
#pragma once

#include <cstdint>
#include <string>

namespace ptnet::limits {

enum class Limit {
  kSlots,          // two threads passing 16-byte slots through a ring
  kSlotsWithCopy,  // the same; the receiver also copies each slot's 60 bytes from its buffer into one of its own
  kMemory,         // bytes copied by one thread between areas larger than the caches
  kCoreToCore,     // round trips of one cache line between threads on the first two CPUs
  kSwitch,         // changes of one CPU from one thread to another; each gives it away as soon as it has it
};

inline constexpr uint32_t kRingSlots = 1024;
inline constexpr uint32_t kRingBatch = 256;  // slots between two publications of an index
inline constexpr uint32_t kRingBufSize = 2048;
inline constexpr uint32_t kRingCopyBytes = 60;

struct Measured {
  uint64_t count = 0;  // slots, bytes, round trips or changes
  double seconds = 0;
  uint64_t wrong = 0;  // slots that did not arrive as they were sent; 0 unless the machine is broken
  std::string error;   // why it could not be measured; empty when it was
};

inline constexpr double kWarmUpShare = 0.2;  // of the time measured

/// Measures for about `seconds` after a warm-up, in threads of its own; returns when they have ended.
Measured Measure(Limit limit, double seconds);

Measured MeasureRing(bool copy, double seconds);
Measured MeasureMemory(double seconds);
Measured MeasureCoreToCore(double seconds);
Measured MeasureSwitch(double seconds);

}  // namespace ptnet::limits
